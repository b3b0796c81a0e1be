"""Read uploaded videos from GridFS."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import BinaryIO, Protocol

from gridfs.asynchronous import AsyncGridFSBucket
from gridfs.errors import CorruptGridFile, NoFile
from pymongo.asynchronous.database import AsyncDatabase

from converter_service.adapters.disk import disk_errors
from converter_service.domain import Order, VideoLost
from tonearm_chassis.mongo import Document, outages


class Digest(Protocol):
    """The part of a hash object that is used here."""

    def update(self, piece: bytes, /) -> None:
        """Take in a piece."""


class GridFSVideoStore:
    """A `VideoStore` over a GridFS bucket."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Read from the bucket of `database`."""
        self._bucket = AsyncGridFSBucket(database)

    async def copy(self, order: Order, target: Path) -> None:
        """Copy chunk by chunk, hashing on the way."""
        digest = hashlib.sha256()
        # Closing the file writes its last bytes, which may be those that find the disk full.
        with disk_errors(), await asyncio.to_thread(target.open, "wb") as file, outages():
            length = await self._copy(order, file, digest)
        if length != order.size_bytes or digest.hexdigest() != order.sha256:
            raise VideoLost

    async def _copy(self, order: Order, file: BinaryIO, digest: Digest) -> int:
        def keep(piece: bytes) -> None:
            digest.update(piece)
            file.write(piece)

        length = 0
        try:
            source = await self._bucket.open_download_stream(order.video_id)
            while piece := await source.readchunk():
                length += len(piece)
                await asyncio.to_thread(keep, piece)
        except (NoFile, CorruptGridFile) as error:
            raise VideoLost from error
        return length
