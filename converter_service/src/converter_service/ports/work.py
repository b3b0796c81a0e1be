"""What a conversion works with: an engine, a workplace, somebody to tell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from converter_service.domain import Claim, DecodedAudio, EncodeReport, Measured, Recipe, Source

Progress = Callable[[float], None]
"""Takes the seconds of audio that are done; must not block."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where an engine finds encoded chunks, and puts new ones.

    `kept` takes a chunk's number and file once it is whole; it must not block.
    """

    directory: Path
    kept: Callable[[int, Path], None]


class Engine(Protocol):
    """What reads media and makes audio files. Needs memory in proportion to nothing.

    Raises `ConversionTimedOut` if it runs beyond its limits, `StorageFull` if it finds the disk
    full, and `EngineFailure` if it fails for another reason that is not the file's fault.
    Cancelling a call ends all its processes first.
    """

    @property
    def name(self) -> str:
        """Tell the engine's name and version."""
        ...

    async def inspect(self, source: Path) -> Source:
        """Look at a file, and keep its picture of itself, if it has one, beside it.

        Raises `UnreadableVideo` and `NoAudio`.
        """
        ...

    async def measure(self, source: Path, recipe: Recipe) -> Measured:
        """Measure how loud the part of the track is that the recipe keeps.

        Raises `UnreadableVideo` if nothing can be decoded.
        """
        ...

    async def encode(
        self,
        source: Path,
        target: Path,
        recipe: Recipe,
        progress: Progress,
        checkpoints: Checkpoints | None = None,
    ) -> EncodeReport:
        """Encode the track that the recipe chose into a new file, with tags and chapters.

        What is encoded in chunks goes on from those that the same work left in `checkpoints`; the
        file is the same.

        The picture that `inspect` found is taken from where it put it.

        Raises `UnreadableVideo` if nothing can be decoded. A report is no proof: decode the file.
        """
        ...

    async def decode(self, audio: Path, recipe: Recipe) -> DecodedAudio:
        """Decode from end to end what the recipe made, and measure it."""
        ...


@dataclass(frozen=True, slots=True)
class Workplace:
    """A private directory for one conversion."""

    video: Path
    audio: Path
    chunks: Path


class Workshop(Protocol):
    """Where conversions keep their files while they run."""

    def open(self) -> AbstractAsyncContextManager[Workplace]:
        """Make an empty workplace; leaving the context removes it with all that is in it.

        Raises `StorageFull` and `Outage`.
        """
        ...

    def require_space(self, wanted_bytes: int = 0) -> None:
        """Raise `StorageFull` if the disk is full, or would be with so much more on it."""
        ...


class ProgressChannel(Protocol):
    """Where listeners hear how far a conversion is. Lossy: nothing depends on it."""

    def report(self, claim: Claim, share: float) -> None:
        """Tell that `share` (0 to 1) is done; returns at once, may drop it, raises nothing."""
        ...
