"""Keep encoded chunks in MongoDB, one document each."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from converter_service.adapters.disk import disk_errors
from converter_service.domain import ConversionId, WorkId
from converter_service.engine.checkpoints import path_of
from tonearm_chassis.mongo import Document, outages, server_time


class MongoCheckpointStore:
    """A `CheckpointStore`. A chunk is a megabyte or two; a document may have sixteen."""

    def __init__(self, collection: AsyncCollection[Document]) -> None:
        """Keep chunks in `collection`."""
        self._collection = collection

    async def prepare(self) -> None:
        """Create the indexes; a repeat changes nothing. Raises `Outage`."""
        with outages():
            await self._collection.create_index(
                [("conversion_id", 1), ("work", 1), ("number", 1)], name="chunk", unique=True
            )
            await self._collection.create_index("kept_at", name="kept_at")

    async def keep(
        self, conversion_id: ConversionId, work: WorkId, number: int, chunk: Path
    ) -> None:
        """Insert the chunk; where there is one already, the index refuses a second."""
        with disk_errors():
            frames = await asyncio.to_thread(chunk.read_bytes)
        with outages():
            document = {
                "conversion_id": conversion_id,
                "work": work,
                "number": number,
                "frames": frames,
                "sha256": hashlib.sha256(frames).hexdigest(),
                "kept_at": await server_time(self._collection.database),
            }
            try:
                await self._collection.insert_one(document)
            except DuplicateKeyError:  # by a worker that lost the claim, of the same work
                return

    async def fetch(self, conversion_id: ConversionId, work: WorkId, directory: Path) -> int:
        """Write them one by one, as there may be more than memory should hold."""
        fetched = 0
        with outages():
            async for each in self._collection.find({"conversion_id": conversion_id, "work": work}):
                if hashlib.sha256(each["frames"]).hexdigest() == each["sha256"]:
                    path = path_of(directory, each["number"])
                    with disk_errors():
                        await asyncio.to_thread(path.write_bytes, each["frames"])
                    fetched += 1
        return fetched

    async def remove(self, conversion_id: ConversionId) -> None:
        """Delete by conversion, whatever the work."""
        with outages():
            await self._collection.delete_many({"conversion_id": conversion_id})

    async def sweep(self, older_than_seconds: float) -> int:
        """Delete by the server's clock."""
        with outages():
            now = await server_time(self._collection.database)
            before = now - timedelta(seconds=older_than_seconds)
            result = await self._collection.delete_many({"kept_at": {"$lt": before}})
        return result.deleted_count
