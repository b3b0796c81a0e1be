"""The tag in an MP3's first frame, with which players seek and play without gaps.

Layout: "Mp3 Info Tag rev 1" (gabriel.mp3-tech.org), which begins behind the side information of a
frame without sound. Its frame is not counted among the frames, but among the bytes.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from pathlib import Path

from fastcrc.crc16 import arc

from converter_service.engine.mpeg_audio import Layout, MalformedStream

HEAD_BYTES = 4096
HAS_FRAMES, HAS_BYTES, HAS_SEEK_TABLE, HAS_QUALITY = 1, 2, 4, 8
SEEK_POINTS = 100
ENCODER = b"LAME3.100"
"""Players read delay and padding only where they know the name ..."""
KNOWN_ENCODERS = (b"LAME", b"Lavf", b"Lavc")
"""... which is one of these to ffmpeg."""
DELAY_OFFSET = 21
LAME_BYTES = 36
TAG_BYTES = 16 + SEEK_POINTS + 4 + LAME_BYTES
CONSTANT, NEW_VBR = 1, 4
"""Methods in the tag's revision 0; the second is LAME's "mtrh"."""
MOST_PADDING = 0xFFF
ENCODER_DELAY_SAMPLES = 576
DECODER_DELAY_SAMPLES = 529
STEP_FRAMES = 8
"""A seek point needs no finer position; ten hours have 170,000 of these."""


@dataclass(frozen=True, slots=True)
class LameTag:
    """What the first frame tells players, and what its header tells about all frames."""

    sample_rate_hz: int
    channels: int
    frame_samples: int
    frames: int
    delay_samples: int
    padding_samples: int

    @property
    def samples(self) -> int:
        """Tell how many samples a gapless player plays."""
        return self.frames * self.frame_samples - self.delay_samples - self.padding_samples


def read_lame_tag(path: Path) -> LameTag:
    """Read the tag. Raises `MalformedStream` if there is none."""
    with path.open("rb") as file:
        head = file.read(10)
        file.seek(10 + _syncsafe(head[6:10]) if head[:3] == b"ID3" else 0)
        frame = file.read(HEAD_BYTES)
    try:
        return _parse(frame)
    except (IndexError, struct.error) as error:
        raise MalformedStream("the tag is cut off") from error


def _parse(frame: bytes) -> LameTag:
    layout = Layout.of(frame)
    at = layout.start_bytes
    flags: int
    frames: int
    flags, frames = struct.unpack_from(">II", frame, at + 4)
    if frame[at : at + 4] not in (b"Xing", b"Info") or not flags & HAS_FRAMES:
        raise MalformedStream("no tag")
    lame = (
        at + 12 + (4 if flags & HAS_BYTES else 0) + (SEEK_POINTS if flags & HAS_SEEK_TABLE else 0)
    )
    lame += 4 if flags & HAS_QUALITY else 0
    packed = int.from_bytes(frame[lame + DELAY_OFFSET : lame + DELAY_OFFSET + 3])
    if frame[lame : lame + 4] not in KNOWN_ENCODERS:
        packed = 0
    return LameTag(
        layout.sample_rate_hz,
        layout.channels,
        layout.frame_samples,
        frames,
        packed >> 12,
        packed & MOST_PADDING,
    )


def _syncsafe(four: bytes) -> int:
    value = 0
    for byte in four:
        value = value << 7 | byte & 0x7F
    return value


class TagWriter:
    """Sums up the frames of a file, and writes the frame that belongs before them."""

    def __init__(self, layout: Layout, header: bytes, *, quality: int) -> None:
        """Describe variable bit rate of this quality (0 to 9); `header` is any frame's."""
        self.layout = layout
        self._quality = quality
        self._head = _silent_head(layout, header)
        self._music_bytes = 0
        self._checksum = 0
        self.least_kbps = 0xFFF
        self.most_kbps = 0
        self.frames = 0
        # Where every eighth frame begins, counted from the first.
        self._positions = array("Q")

    @property
    def average_kbps(self) -> float:
        """Tell the average bit rate of the frames so far."""
        seconds = self.frames * self.layout.frame_samples / self.layout.sample_rate_hz
        return 8 * self._music_bytes / seconds / 1000 if seconds else 0.0

    @property
    def placeholder(self) -> bytes:
        """What to write where the tag will be."""
        return bytes(len(self._head))

    def add(self, frames: list[bytes]) -> bytes:
        """Count frames that follow; give them in one piece."""
        for frame in frames:
            if self.frames % STEP_FRAMES == 0:
                self._positions.append(self._music_bytes)
            self.frames += 1
            self._music_bytes += len(frame)
            kbps = self._kbps(frame)
            self.least_kbps = min(self.least_kbps, kbps)
            self.most_kbps = max(self.most_kbps, kbps)
        music = b"".join(frames)
        self._checksum = arc(music, self._checksum)
        return music

    def tag(self, samples: int) -> bytes:
        """Write the tag's frame for frames that hold `samples`. Raises `MalformedStream`."""
        padding = self.frames * self.layout.frame_samples - ENCODER_DELAY_SAMPLES - samples
        if not DECODER_DELAY_SAMPLES <= padding <= MOST_PADDING:
            raise MalformedStream(f"{self.frames} frames do not hold {samples} samples")
        return self.tag_of(ENCODER_DELAY_SAMPLES, padding)

    def tag_of(self, delay: int, padding: int) -> bytes:
        """Write the tag's frame for frames with so much silence before and after the sound."""
        at, size = self.layout.start_bytes, len(self._head) + self._music_bytes
        frame = bytearray(self._head)
        flags = HAS_FRAMES | HAS_BYTES | HAS_SEEK_TABLE | HAS_QUALITY
        is_constant = self.least_kbps == self.most_kbps
        name = b"Info" if is_constant else b"Xing"
        xing = struct.pack(">4sIII", name, flags, self.frames, size)
        scale = 100 - 10 * self._quality
        lame = bytearray(LAME_BYTES)
        if delay or padding:  # with the name, players would skip a decoder's delay at least
            lame[: len(ENCODER)] = ENCODER
        lame[9] = CONSTANT if is_constant else NEW_VBR
        lame[20] = min(self.least_kbps, 0xFF)
        lame[DELAY_OFFSET : DELAY_OFFSET + 3] = (delay << 12 | padding).to_bytes(3)
        struct.pack_into(">IH", lame, 28, size, self._checksum)
        frame[at : at + TAG_BYTES] = xing + self._seek_table(size) + struct.pack(">I", scale) + lame
        checked = at + TAG_BYTES - 2
        struct.pack_into(">H", frame, checked, arc(bytes(frame[:checked])))
        return bytes(frame)

    def _seek_table(self, size: int) -> bytes:
        """Tell for each percent of the playing time how far it is, in 256ths of the file."""
        points = bytearray()
        for percent in range(SEEK_POINTS):
            index = min(percent * self.frames // 100 // STEP_FRAMES, len(self._positions) - 1)
            position = len(self._head) + self._positions[index] if percent else 0
            points.append(min(255, 256 * position // size))
        return bytes(points)

    def _kbps(self, frame: bytes) -> int:
        layout = self.layout
        length = layout.frame_bytes[frame[2] >> 4]
        return round(8 * length * layout.sample_rate_hz / layout.frame_samples / 1000)


def _silent_head(layout: Layout, header: bytes) -> bytes:
    """Make the shortest frame that has room for the tag; it decodes to silence."""
    wanted = layout.start_bytes + TAG_BYTES
    index = next(index for index, length in enumerate(layout.frame_bytes) if length >= wanted)
    frame = bytearray(layout.frame_bytes[index])
    frame[:4] = header[:4]
    frame[2] = index << 4 | header[2] & 0x0C
    frame[3] = header[3] & 0xC0
    return bytes(frame)
