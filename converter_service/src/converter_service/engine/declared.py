"""How many samples a file says that it has, in the place where players look."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from converter_service.engine.mpeg_audio import MalformedStream

HEAD_BYTES = 128 * 1024
FLAC_TOTAL_AT = 18
FLAC_TOTAL_MASK = (1 << 36) - 1
OGG_LAST_PAGE_BYTES = 128 * 1024
OPUS_PRE_SKIP_AT = 10


def declared_samples(path: Path) -> int | None:
    """Read it; None for MP4, whose clock does not count samples exactly.

    Raises `MalformedStream` if the file is none of WAV, FLAC, Ogg Opus and MP4.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        match head[:4]:
            case b"fLaC":
                return int.from_bytes(head[FLAC_TOTAL_AT : FLAC_TOTAL_AT + 8]) & FLAC_TOTAL_MASK
            case b"RIFF" | b"RF64":
                return _wav_samples(head)
            case b"OggS":
                return _opus_samples(file, head)
        if head[4:8] == b"ftyp":
            return None
    raise MalformedStream("no file that was to be made")


def _wav_samples(head: bytes) -> int:
    """Count the data chunk; RF64 has its true length in ds64 (EBU Tech 3306)."""
    at, block, long_size = 12, 0, 0
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        if name == b"ds64":
            long_size = struct.unpack_from("<Q", head, at + 16)[0]
        elif name == b"fmt ":
            block = struct.unpack_from("<H", head, at + 20)[0]
        elif name == b"data" and block:
            return int(long_size or size) // block
        at += 8 + size + size % 2
    raise MalformedStream("WAV without samples")


def _opus_samples(file: BinaryIO, head: bytes) -> int:
    """Subtract pre-skip from the last granule position (RFC 7845, 4)."""
    found = head.find(b"OpusHead")
    size = file.seek(0, 2)
    file.seek(max(0, size - OGG_LAST_PAGE_BYTES))
    tail = file.read()
    page = tail.rfind(b"OggS")
    if found < 0 or page < 0 or page + 14 > len(tail):
        raise MalformedStream("Ogg without Opus")
    pre_skip = struct.unpack_from("<H", head, found + OPUS_PRE_SKIP_AT)[0]
    return int(struct.unpack_from("<q", tail, page + 6)[0]) - int(pre_skip)
