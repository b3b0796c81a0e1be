"""Keep encoded chunks, so that whoever goes on after a crash encodes only what was under way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from converter_service.engine.chunks import Chunk
from converter_service.engine.mpeg_audio import MalformedStream, split
from converter_service.engine.parallel import Encode


def path_of(directory: Path, number: int) -> Path:
    """Tell where a chunk is kept: a file of frames that use no reservoir."""
    return directory / f"{number:06}.frames"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """An `Encode` that keeps what `encode` makes in `directory`, and tells the chunk's number.

    What is there already must be of the same samples, encoded the same way; whoever put it there
    answers for that. It is joined like anything else: the cuts prove themselves again.
    """

    encode: Encode
    directory: Path
    tell_kept: Callable[[int], None]

    def __call__(self, chunk: Chunk) -> list[bytes]:
        """Give a chunk's frames, encoding it only if they were not kept. Raises `OSError`."""
        if chunk.number is None:
            return self.encode(chunk)
        path = path_of(self.directory, chunk.number)
        with suppress(FileNotFoundError, MalformedStream):
            return split(path.read_bytes())
        frames = self.encode(chunk)
        # Whoever looks finds all of it or nothing.
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(b"".join(frames))
        unfinished.rename(path)
        self.tell_kept(chunk.number)
        return frames
