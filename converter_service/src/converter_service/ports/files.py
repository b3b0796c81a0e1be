"""Where videos come from and audio goes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from pathlib import Path
from typing import Protocol

from converter_service.domain import (
    AudioFile,
    AudioId,
    Claim,
    ConversionId,
    Order,
    StoredAudio,
    Waveform,
    WorkId,
)


class VideoStore(Protocol):
    """Where uploaded videos wait."""

    async def copy(self, order: Order, target: Path) -> None:
        """Copy the ordered video into a new file, comparing length and SHA-256 on the way.

        Raises `VideoLost` if it is missing or is not what was ordered, `Outage`, and `StorageFull`.
        """
        ...


class AudioStore(Protocol):
    """Where finished audio is kept. Every method raises `Outage`; a repeat is safe."""

    async def put(
        self, audio_id: AudioId, claim: Claim, source: Path, waveform: Waveform | None = None
    ) -> StoredAudio:
        """Store a file under an id that is new, and note whose it is and what it looks like.

        Returns once the file was read back from the store and is the same. Raises `StorageFull`
        if there is no room. To repeat it, take another id.
        """
        ...

    async def remove(self, audio_ids: Collection[AudioId]) -> None:
        """Delete audio, also such as is half stored; nothing if there is none."""
        ...

    async def remove_all(self, conversion_id: ConversionId) -> None:
        """Delete all whole files of a conversion, whichever claim stored them."""
        ...

    def list_files(self, since: datetime | None, until: datetime) -> AsyncIterator[list[AudioFile]]:
        """Go through the whole files stored in this time, in batches; those that say whose."""
        ...

    async def fragments(self, older_than_seconds: float) -> list[AudioId]:
        """List audio that is half stored, and all of it that long ago, by the store's clock.

        If there is too much to look at, each call looks at another part of it.
        """
        ...


class CheckpointStore(Protocol):
    """Where encoded chunks wait for whoever has to go on after a crash.

    Nothing depends on it but time. Every method raises `Outage`; a repeat is safe.
    """

    async def keep(
        self, conversion_id: ConversionId, work: WorkId, number: int, chunk: Path
    ) -> None:
        """Keep a chunk of a conversion; nothing if the same one is kept already.

        Raises `StorageFull` if there is no room.
        """
        ...

    async def fetch(self, conversion_id: ConversionId, work: WorkId, directory: Path) -> int:
        """Put what is kept of this very work where the engine looks for it; tell how many.

        What is damaged is left out. Raises `StorageFull` if the directory's disk is full.
        """
        ...

    async def remove(self, conversion_id: ConversionId) -> None:
        """Delete all that is kept of a conversion."""
        ...

    async def sweep(self, older_than_seconds: float) -> int:
        """Delete what was kept longer ago, by the store's clock; tell how many."""
        ...
