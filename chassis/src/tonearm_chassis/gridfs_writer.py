"""Write a file into GridFS in bounded memory.

PyMongo's own upload stream collects up to 48 MB before it sends anything, and needs the same again
to encode it. This writer follows the GridFS specification (chunks first, the file document last)
with a few MiB, and fills the next batch while the last one is on its way.
"""

from __future__ import annotations

import asyncio

from bson import Binary
from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError

from tonearm_chassis.errors import Outage, StorageFull
from tonearm_chassis.mongo import OUT_OF_DISK_SPACE, Document, error_codes, outages, server_time

CHUNK_BYTES = 1024 * 1024  # the default of 255 KiB is a relic of MMAPv1 (SERVER-13331)
BATCH_CHUNKS = 4


async def prepare_gridfs(database: AsyncDatabase[Document]) -> None:
    """Create the indexes that the GridFS specification asks for. Raises `Outage`."""
    with outages():
        await database["fs.files"].create_index(
            [("filename", ASCENDING), ("uploadDate", ASCENDING)]
        )
        await database["fs.chunks"].create_index(
            [("files_id", ASCENDING), ("n", ASCENDING)], unique=True
        )


class GridFSWriter:
    """One file on its way into `fs.files` and `fs.chunks`; nobody finds it before `commit`."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        file_id: str,
        filename: str,
        metadata: Document | None = None,
    ) -> None:
        """Write a file with this id, which must be new; `metadata` goes into its document."""
        self._database = database
        self._files: AsyncCollection[Document] = database["fs.files"]
        self._chunks: AsyncCollection[Document] = database["fs.chunks"]
        self._file_id = file_id
        self._filename = filename
        self._metadata = metadata
        self._buffer = bytearray()
        self._batch: list[Document] = []
        self._sending: asyncio.Task[None] | None = None
        self._number = 0
        self._length = 0

    async def write(self, piece: bytes) -> None:
        """Store the next bytes; waits while a batch and a half are unsent. Raises `Outage`."""
        self._buffer += piece
        self._length += len(piece)
        while len(self._buffer) >= CHUNK_BYTES:
            await self._cut(CHUNK_BYTES)

    async def commit(self) -> None:
        """Store the rest, then the file document: from now on the file can be found.

        Raises `Outage`.
        """
        if self._buffer:
            await self._cut(len(self._buffer))
        await self._send()
        await self._sent()
        document: Document = {
            "_id": self._file_id,
            "filename": self._filename,
            "length": self._length,
            "chunkSize": CHUNK_BYTES,
        }
        if self._metadata is not None:
            document["metadata"] = self._metadata
        with outages():
            # Who looks for old files goes by the store's clock, too.
            document["uploadDate"] = await server_time(self._database)
            try:
                await self._files.insert_one(document)
            except DuplicateKeyError:
                # The driver repeats a write whose answer was lost. A store that does not remember
                # the first then refuses what it has: this file, of this very moment.
                ours = {each: document[each] for each in ("_id", "length", "uploadDate")}
                if await self._files.find_one(ours, {"_id": 1}) is None:
                    raise

    async def abort(self) -> None:
        """Delete whatever was stored; a repeat changes nothing. Raises `Outage`."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        with outages():
            await self._files.delete_one({"_id": self._file_id})
            await self._chunks.delete_many({"files_id": self._file_id})

    async def _cut(self, size: int) -> None:
        data = Binary(bytes(memoryview(self._buffer)[:size]))
        del self._buffer[:size]
        self._batch.append({"files_id": self._file_id, "n": self._number, "data": data})
        self._number += 1
        if len(self._batch) == BATCH_CHUNKS:
            await self._send()

    async def _send(self) -> None:
        await self._sent()
        batch, self._batch = self._batch, []
        if batch:
            self._sending = asyncio.create_task(self._insert(batch))

    async def _sent(self) -> None:
        if self._sending is not None:
            await self._sending

    async def _insert(self, batch: list[Document]) -> None:
        with outages():
            try:
                await self._chunks.insert_many(batch)
            except BulkWriteError as error:
                # Its text holds the bytes that were refused, and texts end in logs.
                codes = error_codes(error)
                message = f"gridfs: chunks refused with codes {sorted(codes)}"
                raise (StorageFull if OUT_OF_DISK_SPACE in codes else Outage)(message) from None
