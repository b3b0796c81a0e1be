"""Read frames of MPEG-1 and MPEG-2 audio, layer III: ISO 11172-3 2.4.1 and 2.4.2, ISO 13818-3 2.4.

Bits are numbered from the most significant one of the side information's first byte.
"""

from __future__ import annotations

from dataclasses import dataclass

HEADER_BYTES = 4
SYNC_WORD = 0xFFE0
SAMPLE_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""By the header's version bits; 0 is MPEG-2.5, which extends MPEG-2 to half its rates."""
MPEG_1 = 3
LAYER_3 = 1
RESERVED = 3
MONO = 3
BIT_RATES_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
LOW_BIT_RATES_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
PART2_3_LENGTH_BITS = 12
NINE_BITS = 0x1FF


class MalformedStream(Exception):
    """These bytes are not the frames that were expected."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What all frames of a stream have in common.

    `frame_bytes` is a frame's length without padding, by its bit rate's index, 0 where there is
    none. `lengths_end` are the bits of the side information at which part2_3_length of each
    granule and channel ends. `reservoir_bytes` is the most that main_data_begin can point back.
    """

    sample_rate_hz: int
    channels: int
    frame_samples: int
    side_bytes: int
    reservoir_bytes: int
    frame_bytes: tuple[int, ...]
    lengths_end: tuple[int, ...]

    @property
    def start_bytes(self) -> int:
        """Tell where a frame's place for main data begins."""
        return HEADER_BYTES + self.side_bytes

    @classmethod
    def of(cls, header: bytes) -> Layout:
        """Read the layout off a frame's header. Raises `MalformedStream`."""
        if len(header) < HEADER_BYTES or int.from_bytes(header[:2]) & SYNC_WORD != SYNC_WORD:
            raise MalformedStream("no sync word")
        version, layer, is_unprotected = header[1] >> 3 & 3, header[1] >> 1 & 3, header[1] & 1
        rate_index, is_mono = header[2] >> 2 & 3, header[3] >> 6 == MONO
        if version not in SAMPLE_RATES_HZ or layer != LAYER_3 or rate_index == RESERVED:
            raise MalformedStream("not layer III")
        if not is_unprotected:
            raise MalformedStream("frames with checksums")
        return _layout(version == MPEG_1, SAMPLE_RATES_HZ[version][rate_index], is_mono=is_mono)

    def needed_bytes(self, frame: bytes) -> int:
        """Count the bytes of a frame's main data."""
        side_bits = 8 * self.side_bytes
        side = int.from_bytes(frame[HEADER_BYTES : self.start_bytes])
        bits = 0
        for end in self.lengths_end:
            bits += side >> side_bits - end & 0xFFF
        return (bits + 7) // 8

    def points_back(self, frame: bytes) -> int:
        """Tell how many bytes before its place a frame's main data begins."""
        if self.reservoir_bytes == NINE_BITS:
            return frame[HEADER_BYTES] << 1 | frame[HEADER_BYTES + 1] >> 7
        return frame[HEADER_BYTES]

    def point_back(self, head: bytearray, begin: int) -> None:
        """Let the main data of the frame with this head begin earlier."""
        if self.reservoir_bytes == NINE_BITS:
            head[HEADER_BYTES] = begin >> 1
            head[HEADER_BYTES + 1] = (begin & 1) << 7 | head[HEADER_BYTES + 1] & 0x7F
        else:
            head[HEADER_BYTES] = begin


def _layout(is_first: bool, rate: int, *, is_mono: bool) -> Layout:  # noqa: FBT001 - MPEG-1 or not
    """Lay out the side information: 2.4.1.7 of either standard."""
    channels = 1 if is_mono else 2
    samples, granules, begin_bits, each_bits = (1152, 2, 9, 59) if is_first else (576, 1, 8, 63)
    private_bits = (5 if is_mono else 3) if is_first else channels
    share_bits = 4 * channels if is_first else 0
    first = begin_bits + private_bits + share_bits
    parts = granules * channels
    rates = BIT_RATES_KBPS if is_first else LOW_BIT_RATES_KBPS
    return Layout(
        sample_rate_hz=rate,
        channels=channels,
        frame_samples=samples,
        side_bytes=(first + each_bits * parts) // 8,
        reservoir_bytes=(1 << begin_bits) - 1,
        frame_bytes=(0, *(samples // 8 * 1000 * kbps // rate for kbps in rates), 0),
        lengths_end=tuple(first + each_bits * part + PART2_3_LENGTH_BITS for part in range(parts)),
    )


class FrameReader:
    """Cuts a stream that comes in pieces into its frames."""

    def __init__(self) -> None:
        """Expect all frames to be like the first."""
        self._fixed: tuple[bytes, int, bool] | None = None
        self._rest = b""
        self._layout: Layout | None = None

    @property
    def layout(self) -> Layout:
        """Tell the layout. Raises `MalformedStream` if there was no frame."""
        if self._layout is None:
            raise MalformedStream("no frame")
        return self._layout

    def add(self, piece: bytes) -> list[bytes]:
        """Give the frames that are whole by now. Raises `MalformedStream`."""
        stream, position = self._rest + piece, 0
        if self._layout is None and len(stream) >= HEADER_BYTES:
            self._layout, self._fixed = Layout.of(stream), _fixed_part(stream[:HEADER_BYTES])
        frames = []
        while position + HEADER_BYTES <= len(stream):
            end = position + self._frame_bytes(stream[position : position + HEADER_BYTES])
            if end > len(stream):
                break
            frames.append(stream[position:end])
            position = end
        self._rest = stream[position:]
        return frames

    def finish(self) -> None:
        """Raise `MalformedStream` if the stream ended within a frame."""
        if self._rest:
            raise MalformedStream("the last frame is cut off")

    def _frame_bytes(self, header: bytes) -> int:
        if _fixed_part(header) != self._fixed:
            raise MalformedStream("no frame where one should be")
        length = self.layout.frame_bytes[header[2] >> 4]
        if not length:
            raise MalformedStream("a frame without a bit rate")
        return length + (header[2] >> 1 & 1)


def split(stream: bytes) -> list[bytes]:
    """Cut a whole stream into its frames. Raises `MalformedStream`."""
    reader = FrameReader()
    frames = reader.add(stream)
    reader.finish()
    return frames


def _fixed_part(header: bytes) -> tuple[bytes, int, bool]:
    """Take what is the same in every frame: sync, version, layer, rate, and whether it is mono."""
    return header[:2], header[2] & 0x0C, header[3] >> 6 == MONO
