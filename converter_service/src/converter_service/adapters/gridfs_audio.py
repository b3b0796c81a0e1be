"""Keep finished audio in GridFS."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from gridfs.asynchronous import AsyncGridFSBucket
from gridfs.errors import NoFile
from pymongo.asynchronous.database import AsyncDatabase

from converter_service.domain import AudioId, StoredAudio
from tonearm_chassis.errors import Outage
from tonearm_chassis.mongo import Document, outages

CHUNK_BYTES = 1024 * 1024


class GridFSAudioStore:
    """An `AudioStore` over a GridFS bucket with 1 MiB chunks."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Write to the bucket of `database`."""
        self._bucket = AsyncGridFSBucket(database, chunk_size_bytes=CHUNK_BYTES)

    async def put(self, audio_id: AudioId, source: Path) -> StoredAudio:
        """Remove what a first attempt may have left, then upload chunk by chunk."""
        await self.remove(audio_id)
        digest = hashlib.sha256()
        size_bytes = 0
        try:
            with await asyncio.to_thread(source.open, "rb") as file, outages():
                # A file becomes visible when its upload is closed, and is aborted by an exception.
                async with self._bucket.open_upload_stream_with_id(
                    audio_id, f"{audio_id}.mp3", metadata={"content_type": "audio/mpeg"}
                ) as upload:
                    while piece := await asyncio.to_thread(file.read, CHUNK_BYTES):
                        digest.update(piece)
                        size_bytes += len(piece)
                        await upload.write(piece)
        except OSError as error:
            raise Outage(f"scratch: {error!r}") from error
        return StoredAudio(audio_id, size_bytes, digest.hexdigest())

    async def remove(self, audio_id: AudioId) -> None:
        """Delete the file and its chunks, also those of an upload that was cut off."""
        with outages():
            try:
                await self._bucket.delete(audio_id)
            except NoFile:
                return
