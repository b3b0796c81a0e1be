"""Write a picture the way that FLAC and Ogg have it: RFC 9639, 8.8."""

from __future__ import annotations

import struct

from converter_service.engine.id3 import Image
from converter_service.engine.mpeg_audio import MalformedStream

MAGIC = b"fLaC"
LAST_BLOCK = 0x80
PICTURE_BLOCK = 6
BLOCK_HEAD_BYTES = 4
FRONT_COVER = 3


def picture_block(image: Image) -> bytes:
    """Write the picture, without saying how large it is: nobody has decoded it."""
    kind = image.content_type.encode()
    about = struct.pack(">II", FRONT_COVER, len(kind)) + kind + struct.pack(">I", 0)
    return about + bytes(16) + struct.pack(">I", len(image.content)) + image.content


def flac_head_with(image: Image, head: bytes) -> tuple[bytes, int]:
    """Write the first blocks of a FLAC file anew, with a picture behind the first one.

    `head` is the file's beginning. Also tells how many bytes of the file this replaces. Raises
    `MalformedStream` if it is no FLAC.
    """
    if head[:4] != MAGIC or len(head) < len(MAGIC) + BLOCK_HEAD_BYTES:
        raise MalformedStream("no FLAC")
    kind, length = head[4], int.from_bytes(head[5:8])
    end = len(MAGIC) + BLOCK_HEAD_BYTES + length
    block = picture_block(image)
    last = kind & LAST_BLOCK
    first = MAGIC + bytes([kind & ~LAST_BLOCK]) + head[5:end]
    return first + bytes([PICTURE_BLOCK | last]) + len(block).to_bytes(3) + block, end
