"""Cut audio on frame borders, with some of its neighbours on either side of each chunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from converter_service.engine.pcm import Format, Samples

SHORTEST_FRAMES = 384
"""Ten seconds at 44.1 kHz."""
LONGEST_FRAMES = 1152
"""Thirty seconds at 44.1 kHz: what is encoded twice at a cut is 2 % of it."""
CHUNKS = 16
"""So many there should be, unless that makes them too short or too long."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What is encoded twice where two chunks meet, in frames.

    The later encoder hears `warm_up` frames of the earlier chunk. The earlier one goes on for
    `tail` frames; the first `proof` of them count, the rest is what an encoder looks ahead.
    """

    warm_up: int = 20
    proof: int = 4
    tail: int = 8


@dataclass(slots=True)
class Chunk:
    """Samples of `frames` frames, and of `before` frames that belong to the chunk before.

    `frames` of the last chunk is None: it goes to the end. `number` counts from 0; None if it is no
    chunk of the audio, but one made longer to try a cut again.
    """

    samples: Samples
    before: int
    frames: int | None
    number: int | None

    def close(self) -> None:
        """Give the memory back."""
        self.samples.close()


def chunk_frames(expected_frames: int) -> int:
    """Choose how long chunks are; it depends on the audio's length alone."""
    return max(SHORTEST_FRAMES, min(LONGEST_FRAMES, -(-expected_frames // CHUNKS)))


class Cutter:
    """Cuts what comes out of a pipe into chunks of so many frames."""

    def __init__(self, pcm: Format, frames: int, overlap: Overlap) -> None:
        """Cut audio of this format."""
        self._pcm = pcm
        self._frames = frames
        self._overlap = overlap
        self._bytes = 0

    @property
    def samples(self) -> int:
        """Tell how many samples came so far."""
        return self._bytes // self._pcm.sample_bytes

    def chunks(self, source: int) -> Iterator[Chunk]:
        """Read to the end; the caller closes a chunk, after it has taken the next one."""
        overlap, frame_bytes = self._overlap, self._pcm.frame_bytes
        chunk = Chunk(Samples(), 0, self._frames, number := 0)
        while self._filled(chunk, source):
            yield chunk
            number += 1
            follower = Chunk(Samples(), overlap.warm_up, self._frames, number)
            end = chunk.samples.size
            shared = (overlap.warm_up + overlap.tail) * frame_bytes
            follower.samples.copy(chunk.samples, end - shared, end)
            chunk = follower
        chunk.frames = None
        yield chunk

    def _filled(self, chunk: Chunk, source: int) -> bool:
        """Fill a chunk and its tail; False if the audio ended before that."""
        had = chunk.samples.size
        whole = (chunk.before + self._frames + self._overlap.tail) * self._pcm.frame_bytes
        is_full = chunk.samples.take(source, whole - had)
        self._bytes += chunk.samples.size - had
        return is_full


def lengthen(chunk: Chunk, previous: Chunk, before: int, pcm: Format) -> Chunk:
    """Give a chunk with more of the previous one before it, or with all there is of that."""
    if previous.frames is None:
        raise ValueError("the last chunk has no follower")
    border = (previous.before + previous.frames) * pcm.frame_bytes
    before = min(before, previous.before + previous.frames)
    longer = Chunk(Samples(), before, chunk.frames, None)
    longer.samples.copy(previous.samples, border - before * pcm.frame_bytes, border)
    longer.samples.copy(chunk.samples, chunk.before * pcm.frame_bytes, chunk.samples.size)
    return longer
