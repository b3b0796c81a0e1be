"""Write an ID3v2.4 tag: what players show of an MP3 before its first frame.

Structure: id3.org, "ID3 tag version 2.4.0". Chapters: "ID3v2 Chapter Frame Addendum 1.0".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

UTF_8, LATIN_1 = b"\x03", b"\x00"
FRONT_COVER = b"\x03"
NO_LANGUAGE = b"XXX"
"""What a frame says whose language nobody knows (ID3v2.4.0 structure, section 4)."""
NO_OFFSET = 0xFFFFFFFF
"""Times count, and not places in the file."""
ORDERED_TOP_LEVEL = 3
MOST_CHAPTERS = 255
"""Their number is one byte."""
MOST_MS = 0xFFFFFFFF
TEXT_FRAMES = {
    "title": b"TIT2",
    "artist": b"TPE1",
    "album": b"TALB",
    "album_artist": b"TPE2",
    "composer": b"TCOM",
    "genre": b"TCON",
    "date": b"TDRC",
    "track_number": b"TRCK",
    "disc_number": b"TPOS",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A chapter, in milliseconds."""

    start_ms: int
    end_ms: int
    title: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, as it is in its own file."""

    content_type: str
    content: bytes


def id3_tag(tags: Mapping[str, str], marks: Sequence[Mark], image: Image | None) -> bytes:
    """Write it; empty if there is nothing to write. Tags of other names are left out."""
    frames = [
        _frame(name, UTF_8 + tags[tag].encode())
        for tag, name in TEXT_FRAMES.items()
        if tags.get(tag)
    ]
    if tags.get("comment"):
        frames.append(_frame(b"COMM", UTF_8 + NO_LANGUAGE + b"\0" + tags["comment"].encode()))
    frames += _chapters(marks[:MOST_CHAPTERS])
    if image is not None:
        head = LATIN_1 + image.content_type.encode() + b"\0" + FRONT_COVER + b"\0"
        frames.append(_frame(b"APIC", head + image.content))
    body = b"".join(frames)
    return b"ID3\x04\0\0" + _syncsafe(len(body)) + body if body else b""


def _chapters(marks: Sequence[Mark]) -> list[bytes]:
    """Write a table of contents and its chapters."""
    if not marks:
        return []
    names = [f"chp{number}".encode() + b"\0" for number in range(len(marks))]
    contents = b"toc\0" + bytes([ORDERED_TOP_LEVEL, len(marks)]) + b"".join(names)
    return [
        _frame(b"CTOC", contents),
        *(_chapter(name, mark) for name, mark in zip(names, marks, strict=True)),
    ]


def _chapter(name: bytes, mark: Mark) -> bytes:
    times = (min(mark.start_ms, MOST_MS), min(mark.end_ms, MOST_MS))
    title = _frame(b"TIT2", UTF_8 + mark.title.encode()) if mark.title else b""
    return _frame(b"CHAP", name + struct.pack(">4I", *times, NO_OFFSET, NO_OFFSET) + title)


def _frame(name: bytes, content: bytes) -> bytes:
    return name + _syncsafe(len(content)) + b"\0\0" + content


def _syncsafe(number: int) -> bytes:
    """Write 28 bits, seven to a byte."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
