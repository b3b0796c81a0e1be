"""Keep finished audio in GridFS."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from gridfs.asynchronous import AsyncGridFSBucket
from gridfs.errors import CorruptGridFile, NoFile
from pymongo.asynchronous.database import AsyncDatabase

from converter_service.adapters.disk import disk_errors
from converter_service.domain import AudioFile, AudioId, Claim, ConversionId, StoredAudio, Waveform
from tonearm_chassis.errors import Outage
from tonearm_chassis.gridfs_orphans import OrphanSearch
from tonearm_chassis.gridfs_writer import CHUNK_BYTES, GridFSWriter, prepare_gridfs
from tonearm_chassis.mongo import Document, outages

BATCH = 500


class GridFSAudioStore:
    """An `AudioStore` over a GridFS bucket with 1 MiB chunks."""

    def __init__(
        self, database: AsyncDatabase[Document], writer: Callable[..., GridFSWriter] = GridFSWriter
    ) -> None:
        """Write to the bucket of `database`."""
        self._database = database
        self._writer = writer
        self._files = database["fs.files"]
        self._chunks = database["fs.chunks"]
        self._bucket = AsyncGridFSBucket(database)
        self._search = OrphanSearch(database)

    async def prepare(self) -> None:
        """Create the indexes of GridFS, and those that find files by conversion and by age."""
        await prepare_gridfs(self._database)
        with outages():
            await self._files.create_index("metadata.conversion_id", name="conversion", sparse=True)
            await self._files.create_index("uploadDate", name="age")

    async def put(
        self, audio_id: AudioId, claim: Claim, source: Path, waveform: Waveform | None = None
    ) -> StoredAudio:
        """Upload chunk by chunk, and read it back."""
        made = claim.order.options.format
        metadata: Document = {
            "content_type": made.content_type,
            "conversion_id": claim.order.conversion_id,
            "fence": claim.fence,
        }
        if waveform is not None:
            # In the document of the file, so that it goes when that goes, whoever removes it.
            metadata["waveform"] = asdict(waveform)
        writer = self._writer(
            self._database, audio_id, f"{audio_id}.{made.extension}", metadata=metadata
        )
        try:
            stored = await _write(writer, audio_id, source)
            await writer.commit()
            await self._compare(stored)
        except BaseException:
            with suppress(Outage):
                await writer.abort()
            raise
        return stored

    async def remove(self, audio_ids: Collection[AudioId]) -> None:
        """Delete the files, so that nobody begins to read them, then their chunks."""
        if not audio_ids:
            return
        with outages():
            await self._files.delete_many({"_id": {"$in": list(audio_ids)}})
            await self._chunks.delete_many({"files_id": {"$in": list(audio_ids)}})

    async def remove_all(self, conversion_id: ConversionId) -> None:
        """Find the files by what they say whose they are."""
        with outages():
            found = await self._files.find(
                {"metadata.conversion_id": conversion_id}, {"_id": 1}
            ).to_list()
        await self.remove([AudioId(each["_id"]) for each in found])

    async def list_files(
        self, since: datetime | None, until: datetime
    ) -> AsyncIterator[list[AudioFile]]:
        """Go through the file documents by their age."""
        between = {"$lt": until} if since is None else {"$gte": since, "$lt": until}
        batch: list[AudioFile] = []
        with outages():
            cursor = self._files.find(
                {"uploadDate": between, "metadata.conversion_id": {"$exists": True}},
                {"metadata": 1},
            )
            async with cursor:
                async for each in cursor:
                    batch.append(_audio_file(each))
                    if len(batch) == BATCH:
                        yield batch
                        batch = []
        if batch:
            yield batch

    async def fragments(self, older_than_seconds: float) -> list[AudioId]:
        """Search the next stretch of the bucket for chunks without a file document."""
        return [AudioId(each) for each in await self._search.next(older_than_seconds)]

    async def _compare(self, stored: StoredAudio) -> None:
        """Read the file the way that downloads do. Raises `Outage` if it is not what was sent.

        An acknowledged write says that the server has the chunks that it was sent, and nothing
        of whether they are all of them, each once, and in this order.
        """
        digest = hashlib.sha256()
        length = 0
        with outages():
            try:
                stream = await self._bucket.open_download_stream(stored.audio_id)
                while piece := await stream.readchunk():
                    digest.update(piece)
                    length += len(piece)
            except (NoFile, CorruptGridFile) as error:
                raise Outage(f"audio: stored, and not there: {type(error).__name__}") from error
        if (length, digest.hexdigest()) != (stored.size_bytes, stored.sha256):
            raise Outage("audio: what is stored is not what was sent")


async def _write(writer: GridFSWriter, audio_id: AudioId, source: Path) -> StoredAudio:
    digest = hashlib.sha256()
    size_bytes = 0
    with disk_errors():
        file = await asyncio.to_thread(source.open, "rb")
    with file:
        while piece := await _read(file):
            digest.update(piece)
            size_bytes += len(piece)
            await writer.write(piece)
    return StoredAudio(audio_id, size_bytes, digest.hexdigest())


async def _read(file: BinaryIO) -> bytes:
    with disk_errors():
        return await asyncio.to_thread(file.read, CHUNK_BYTES)


def _audio_file(document: Document) -> AudioFile:
    metadata = document["metadata"]
    return AudioFile(
        AudioId(document["_id"]), ConversionId(metadata["conversion_id"]), metadata["fence"]
    )
