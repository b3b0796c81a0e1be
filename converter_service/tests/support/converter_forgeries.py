"""Files that no encoder makes: valid ones that are mostly nothing, and ones that lie."""

from __future__ import annotations

import struct

FLAC_BLOCK_SAMPLES = 65_535
FLAC_RATE_HZ = 8_000


def flac_of_silence(seconds: float) -> bytes:
    """Make a whole and valid FLAC file (RFC 9639): 18 bytes for each eight seconds of silence."""
    blocks = int(seconds * FLAC_RATE_HZ / FLAC_BLOCK_SAMPLES) + 1
    packed = FLAC_RATE_HZ << 44 | 15 << 36 | blocks * FLAC_BLOCK_SAMPLES  # mono, 16 bits
    info = struct.pack(">HH6x", FLAC_BLOCK_SAMPLES, FLAC_BLOCK_SAMPLES) + packed.to_bytes(8)
    head = b"fLaC" + bytes([0x80, 0, 0, 34]) + info + bytes(16)
    return head + b"".join(map(_flac_block, range(blocks)))


def _flac_block(number: int) -> bytes:
    head = bytes([0xFF, 0xF8, 0x74, 0x08]) + _like_utf8(number)
    head += struct.pack(">H", FLAC_BLOCK_SAMPLES - 1)
    head += bytes([_crc(head, bits=8, polynomial=0x07)])
    block = head + bytes(3)  # a constant subframe: zero
    return block + struct.pack(">H", _crc(block, bits=16, polynomial=0x8005))


def _like_utf8(number: int) -> bytes:
    return chr(number).encode("utf-8", "surrogatepass")


def _crc(content: bytes, *, bits: int, polynomial: int) -> int:
    value, top, mask = 0, 1 << (bits - 1), (1 << bits) - 1
    for byte in content:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value


def with_sample_ticks(video: bytes, ticks: int) -> bytes:
    """Declare that each sample lasts so long, in stts (ISO 14496-12, 8.6.1.2)."""
    forged = bytearray(video)
    start = video.index(b"stts") + 4
    (entries,) = struct.unpack_from(">I", video, start + 4)
    for entry in range(entries):
        struct.pack_into(">I", forged, start + 8 + 8 * entry + 4, ticks)
    return bytes(forged)


def with_declared_ticks(video: bytes, ticks: int) -> bytes:
    """Declare another length in mvhd, tkhd and mdhd of version 0 (ISO 14496-12, 8.2 to 8.4)."""
    forged = bytearray(video)
    for name, offset in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        start = video.find(name)
        while start >= 0:
            struct.pack_into(">I", forged, start + 4 + offset, ticks)
            start = video.find(name, start + 4)
    return bytes(forged)
