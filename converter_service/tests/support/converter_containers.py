"""Containers by hand: boxes, chunks and elements as nobody should write them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

NESTED_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"udta", b"edts")
EBML, SEGMENT, INFO, TRACKS, TRACK = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE
CLUSTER, SIMPLE_BLOCK, TIMECODE = 0x1F43B675, 0xA3, 0xE7


def box(name: bytes, *content: bytes) -> bytes:
    """Write a box (ISO 14496-12, 4.2)."""
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + name + body


def box_borders(video: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Give where boxes begin, those in others too."""
    end = len(video) if end is None else end
    while start + 8 <= end:
        length = int.from_bytes(video[start : start + 4])
        yield start
        if length < 8:
            return
        if video[start + 4 : start + 8] in NESTED_BOXES:
            yield from box_borders(video, start + 8, start + length)
        start += length


def chunk_borders(riff: bytes) -> Iterator[int]:
    """Give where the chunks of a RIFF file begin, without those in lists."""
    start = 12
    while start + 8 <= len(riff):
        yield start
        length = int.from_bytes(riff[start + 4 : start + 8], "little")
        start += 8 + length + length % 2


def element(identity: int, *content: bytes) -> bytes:
    """Write an EBML element (RFC 8794) with a length of eight bytes."""
    body = b"".join(content)
    name = identity.to_bytes((identity.bit_length() + 7) // 8)
    return name + (1 << 56 | len(body)).to_bytes(8) + body


def number(identity: int, value: int) -> bytes:
    """Write an unsigned integer."""
    return element(identity, value.to_bytes(max(1, (value.bit_length() + 7) // 8)))


def matroska(tracks: list[bytes], blocks: list[bytes]) -> bytes:
    """Write a Matroska file of one cluster."""
    head = element(EBML, number(0x4286, 1), element(0x4282, b"matroska"))
    info = element(INFO, number(0x2AD7B1, 1_000_000), element(0x4489, struct.pack(">d", 1000.0)))
    cluster = element(CLUSTER, number(TIMECODE, 0), *blocks)
    return head + element(SEGMENT, info, element(TRACKS, *tracks), cluster)


def pcm_track(index: int, *more: bytes) -> bytes:
    """Describe a track of 16-bit samples at 8 kHz."""
    audio = element(0xE1, element(0xB5, struct.pack(">d", 8000.0)), number(0x9F, 1),
                    number(0x6264, 16))  # fmt: skip
    return element(TRACK, number(0xD7, index), number(0x73C5, index), number(0x83, 2),
                   element(0x86, b"A_PCM/INT/LIT"), audio, *more)  # fmt: skip


def block(index: int, content: bytes) -> bytes:
    """Write a block at the cluster's time."""
    return element(SIMPLE_BLOCK, bytes([0x80 | index, 0, 0, 0x80]), content)


def wav(rate: int, channels: int, bits: int, samples: bytes, align: int | None = None) -> bytes:
    """Write a WAV file whose header says whatever it is told."""
    align = channels * bits // 8 if align is None else align
    head = struct.pack("<HHIIHH", 1, channels & 0xFFFF, rate, rate * align & 0xFFFFFFFF,
                       align & 0xFFFF, bits)  # fmt: skip
    body = b"WAVEfmt " + struct.pack("<I", 16) + head
    body += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def id3(*frames: bytes) -> bytes:
    """Write an ID3v2.3 tag."""
    body = b"".join(frames)
    length = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + length + body


def id3_frame(name: bytes, content: bytes) -> bytes:
    """Write a frame of an ID3v2.3 tag."""
    return name + struct.pack(">IH", len(content), 0) + content


def with_box(video: bytes, name: bytes, content: bytes) -> bytes:
    """Replace what is in the first box of a name; the lengths of all around it follow."""
    return _replaced(video, name, content)[0]


def _replaced(video: bytes, name: bytes, content: bytes) -> tuple[bytes, bool]:
    made, start, is_done = b"", 0, False
    while start + 8 <= len(video):
        length = max(8, int.from_bytes(video[start : start + 4]))
        kind, body = video[start + 4 : start + 8], video[start + 8 : start + length]
        if kind == name and not is_done:
            body, is_done = content, True
        elif kind in NESTED_BOXES and not is_done:
            body, is_done = _replaced(body, name, content)
        made += box(kind, body)
        start += length
    return made, is_done
