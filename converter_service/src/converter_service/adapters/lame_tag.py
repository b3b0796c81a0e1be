"""Read the Xing/LAME tag in an MP3's first frame.

Layout: ISO 11172-3 for the frame header; "Mp3 Info Tag rev 1" for the tag, which starts after the
side information, at +36 bytes for MPEG-1 stereo.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from converter_service.domain import FRAME_SAMPLES, EngineFailure

HEAD_BYTES = 4096
SAMPLE_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
SYNC = 0xFF
MPEG_1 = 3
MONO = 3
FRAMES, BYTES, TOC, QUALITY = 1, 2, 4, 8
DELAY_OFFSET = 21


@dataclass(frozen=True, slots=True)
class LameTag:
    """What the first frame tells players, and what its header tells about all frames."""

    sample_rate_hz: int
    channels: int
    frames: int
    delay_samples: int
    padding_samples: int

    @property
    def samples(self) -> int:
        """Tell how many samples a gapless player plays."""
        is_mpeg_1 = self.sample_rate_hz in SAMPLE_RATES_HZ[MPEG_1]
        frame_samples = FRAME_SAMPLES if is_mpeg_1 else FRAME_SAMPLES // 2
        return self.frames * frame_samples - self.delay_samples - self.padding_samples


def read_lame_tag(path: Path) -> LameTag:
    """Read the tag. Raises `EngineFailure` if there is none."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            file.seek(10 + _syncsafe(head[6:10]))
        else:
            file.seek(0)
        frame = file.read(HEAD_BYTES)
    try:
        return _parse(frame)
    except (IndexError, struct.error, ValueError) as error:
        raise EngineFailure("the MP3 has no LAME tag") from error


def _parse(frame: bytes) -> LameTag:
    version, mode = frame[1] >> 3 & 3, frame[3] >> 6
    rate = SAMPLE_RATES_HZ[version][frame[2] >> 2 & 3] if version in SAMPLE_RATES_HZ else 0
    if frame[0] != SYNC or not rate:
        raise ValueError("no frame header")
    is_mono = mode == MONO
    side_bytes = (17 if is_mono else 32) if version == MPEG_1 else (9 if is_mono else 17)
    at = 4 + side_bytes
    flags: int
    frames: int
    flags, frames = struct.unpack_from(">II", frame, at + 4)
    if frame[at : at + 4] not in (b"Xing", b"Info") or not flags & FRAMES:
        raise ValueError("no Xing header")
    lame = at + 12 + (4 if flags & BYTES else 0) + (100 if flags & TOC else 0)
    lame += 4 if flags & QUALITY else 0
    packed = int.from_bytes(frame[lame + DELAY_OFFSET : lame + DELAY_OFFSET + 3])
    return LameTag(rate, 1 if is_mono else 2, frames, packed >> 12, packed & 0xFFF)


def _syncsafe(four: bytes) -> int:
    value = 0
    for byte in four:
        value = value << 7 | byte & 0x7F
    return value
