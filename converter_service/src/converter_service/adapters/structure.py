"""Tell whether a media file lacks bytes that its own structure promises.

Reads box, chunk and element headers only, so its cost does not depend on the file's size.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

# A box or chunk takes at least 8 bytes; a hostile file may have millions of them.
MAX_BOXES = 10_000
HEADER_BYTES = 8
LONG_HEADER_BYTES = 16
RIFF_UNKNOWN = 0x7FFF0000
"""Programs that stream RIFF write sizes near 2^31 or 2^32 for "not known yet"."""
SLACK_BYTES = 1024
"""Some writers count the RIFF header twice or forget a padding byte."""
BOX_TYPES = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
EBML_HEADER = 0x1A45DFA3
EBML_SEGMENT = 0x18538067
FLV_TAG_HEADER_BYTES = 11
FLV_TAG_TYPES = (8, 9, 18)  # audio, video, script data
OGG_PAGE = b"OggS"
OGG_PAGE_HEADER_BYTES = 27
OGG_PAGE_MOST_BYTES = 65_307
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_HEADER_BYTES = 65_536


def lacks_bytes(path: Path) -> bool:
    """Tell whether the file is shorter than its structure says; False if nothing is known."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(LONG_HEADER_BYTES)
        if start[:3] == b"FLV":
            return _breaks_in_tag(file, size)
        return _end(file, start, size) > size


def _end(file: BinaryIO, start: bytes, size: int) -> int:
    """Find where the file should end; 0 if it does not say."""
    if start[:4] in (b"RIFF", b"RIFX"):
        return _riff_end(file, size) - SLACK_BYTES
    if start[:4] == EBML_HEADER.to_bytes(4):
        return _segment_end(file)
    if start == ASF_HEADER:
        return _asf_end(file) - SLACK_BYTES
    if start[:4] == OGG_PAGE:
        return _last_page_end(file, size)
    if start[4:8] in BOX_TYPES:
        return _last_box_end(file, size)
    return 0


def _last_box_end(file: BinaryIO, size: int) -> int:
    """Walk the top-level boxes (ISO 14496-12, 4.2)."""
    position = 0
    for _ in range(MAX_BOXES):
        if position >= size:
            break
        file.seek(position)
        header = file.read(LONG_HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            return position + HEADER_BYTES
        length: int = struct.unpack(">I", header[:4])[0]
        if length == 1 and len(header) == LONG_HEADER_BYTES:
            length = struct.unpack(">Q", header[8:])[0]
        if length == 0:  # to the end of the file, wherever that is
            return size
        if length < HEADER_BYTES:  # no box: bytes that somebody appended
            return position
        position += length
    return position


def _riff_end(file: BinaryIO, size: int) -> int:
    """Walk the RIFF chunks; AVI files beyond 1 GiB have several (OpenDML)."""
    position = 0
    for _ in range(MAX_BOXES):
        file.seek(position)
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or header[:4] not in (b"RIFF", b"RIFX"):
            break
        order = "<I" if header[:4] == b"RIFF" else ">I"
        length: int = struct.unpack(order, header[4:])[0]
        if length == 0 or length >= RIFF_UNKNOWN:
            return size
        position += 8 + length + length % 2
    return position


def _segment_end(file: BinaryIO) -> int:
    """Find where the Matroska segment ends (RFC 8794, 4 to 6); 0 if it does not say."""
    file.seek(0)
    for _ in range(16):
        identity = _variable_int(file, keep_marker=True)
        length = _variable_int(file, keep_marker=False)
        if identity is None or length is None:
            return 0
        if identity == EBML_SEGMENT:
            return file.tell() + length
        file.seek(length, 1)
    return 0


def _variable_int(file: BinaryIO, *, keep_marker: bool) -> int | None:
    """Read an EBML variable-size integer; None at the end of the file or for "unknown"."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    if len(rest) < width - 1:
        return None
    value = int.from_bytes(first + rest)
    if keep_marker:
        return value
    value &= (1 << (7 * width)) - 1
    return None if value == (1 << (7 * width)) - 1 else value


def _asf_end(file: BinaryIO) -> int:
    """Read the file size out of the File Properties Object (ASF 3.2); 0 if there is none."""
    file.seek(0)
    header = file.read(ASF_HEADER_BYTES)
    found = header.find(ASF_FILE_PROPERTIES)
    if found < 0 or len(header) < found + 92:
        return 0
    length, flags = struct.unpack_from("<Q", header, found + 40)[0], header[found + 88]
    is_broadcast = flags & 1
    return 0 if is_broadcast else int(length)


def _last_page_end(file: BinaryIO, size: int) -> int:
    """Find where the last Ogg page ends (RFC 3533, 6); 0 if there is none near the end."""
    start = max(0, size - OGG_PAGE_MOST_BYTES)
    file.seek(start)
    tail = file.read(OGG_PAGE_MOST_BYTES)
    found = tail.rfind(OGG_PAGE)
    if found < 0:
        return 0
    page = tail[found:]
    if len(page) < OGG_PAGE_HEADER_BYTES:
        return size + 1
    segments = page[OGG_PAGE_HEADER_BYTES : OGG_PAGE_HEADER_BYTES + page[26]]
    if len(segments) < page[26]:
        return size + 1
    return start + found + OGG_PAGE_HEADER_BYTES + len(segments) + sum(segments)


def _breaks_in_tag(file: BinaryIO, size: int) -> bool:
    """Tell whether the last FLV tag is not followed by its own size (Adobe FLV 10.1, E.3)."""
    file.seek(max(0, size - 4))
    length = int.from_bytes(file.read(4))
    start = size - 4 - length
    if length < FLV_TAG_HEADER_BYTES or start < 0:
        return True
    file.seek(start)
    tag = file.read(4)
    data_bytes = int.from_bytes(tag[1:4])
    return tag[0] & 31 not in FLV_TAG_TYPES or data_bytes + FLV_TAG_HEADER_BYTES != length
