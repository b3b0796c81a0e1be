"""Raw audio on its way from the decoder to the encoders, in memory that no process maps."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

SAMPLE_BYTES = 4
PIECE_BYTES = 1024 * 1024
RIFF_BYTES = 12
CHUNK_HEAD_BYTES = 8
MOST_HEAD_BYTES = 4096
MPEG_1_LEAST_HZ = 32_000
IEEE_FLOAT, EXTENSIBLE = 3, 0xFFFE


class MalformedPCM(Exception):
    """The decoder's output is not what it was told to make."""


@dataclass(frozen=True, slots=True)
class Format:
    """Interleaved 32-bit floats, little-endian."""

    sample_rate_hz: int
    channels: int

    @property
    def sample_bytes(self) -> int:
        """Tell what a sample of all channels takes."""
        return self.channels * SAMPLE_BYTES

    @property
    def frame_samples(self) -> int:
        """Tell how many samples a frame of MP3 holds at this rate (ISO 13818-3 2.4.2.3)."""
        return 1152 if self.sample_rate_hz >= MPEG_1_LEAST_HZ else 576

    @property
    def frame_bytes(self) -> int:
        """Tell what the samples of a frame take."""
        return self.frame_samples * self.sample_bytes


def read_format(stream: BinaryIO) -> Format:
    """Read the head of a WAV stream, up to its samples. Raises `MalformedPCM`.

    The stream must not be buffered: who reads the samples reads its descriptor.
    """
    head = _exactly(stream, RIFF_BYTES)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise MalformedPCM("no WAV")
    found: Format | None = None
    for _ in range(MOST_HEAD_BYTES // CHUNK_HEAD_BYTES):
        name, length = struct.unpack("<4sI", _exactly(stream, CHUNK_HEAD_BYTES))
        if name == b"data":
            break
        if length > MOST_HEAD_BYTES:
            raise MalformedPCM("a chunk before the samples is too long")
        body = _exactly(stream, length + length % 2)
        if name == b"fmt ":
            found = _format(body)
    if found is None:
        raise MalformedPCM("no format")
    return found


def _format(body: bytes) -> Format:
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if code not in (IEEE_FLOAT, EXTENSIBLE) or bits != 8 * SAMPLE_BYTES or channels not in (1, 2):
        raise MalformedPCM(f"format {code}, {channels} channels, {bits} bits")
    return Format(rate, channels)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    piece = b""
    while len(piece) < length:
        more = stream.read(length - len(piece))
        if not more:
            raise MalformedPCM("it ended before its samples")
        piece += more
    return piece


class Samples:
    """Some samples in a file without a name; a child reads them as its standard input."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.descriptor = os.memfd_create("samples", os.MFD_CLOEXEC)
        self.size = 0

    def take(self, source: int, most_bytes: int) -> bool:
        """Move so many bytes here from a pipe, without copying them; False at its end."""
        wanted = self.size + most_bytes
        while self.size < wanted:
            moved = os.splice(source, self.descriptor, min(PIECE_BYTES, wanted - self.size))
            if not moved:
                return False
            self.size += moved
        return True

    def copy(self, other: Samples, begin: int, end: int) -> None:
        """Append a part of others."""
        while begin < end:
            piece = os.pread(other.descriptor, min(PIECE_BYTES, end - begin), begin)
            if not piece:
                raise MalformedPCM("there are fewer samples than that")
            os.write(self.descriptor, piece)
            self.size += len(piece)
            begin += len(piece)

    def rewind(self) -> int:
        """Give the descriptor to read them all from."""
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        return self.descriptor

    def close(self) -> None:
        """Give the memory back."""
        os.close(self.descriptor)
