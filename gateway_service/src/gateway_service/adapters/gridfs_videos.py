"""Keep videos in GridFS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from gridfs import NoFile
from gridfs.asynchronous.grid_file import AsyncGridFSBucket
from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service import metrics
from gateway_service.domain import VideoId
from gateway_service.ports import Known
from tonearm_chassis.gridfs_orphans import gridfs_orphans
from tonearm_chassis.gridfs_writer import GridFSWriter, prepare_gridfs
from tonearm_chassis.mongo import Document, outages, server_time

BATCH = 1000


class GridFSVideoStore:
    """A `VideoStore`; a video's id is its GridFS file id."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Keep videos in `database`."""
        self._database = database
        self._bucket = AsyncGridFSBucket(database)

    async def prepare(self) -> None:
        """Create the indexes. Raises `Outage`."""
        await prepare_gridfs(self._database)

    def begin(self, video_id: VideoId) -> GridFSVideoSink:
        """Open a writer; the name of the video stays with its conversion."""
        return GridFSVideoSink(GridFSWriter(self._database, video_id, "video"))

    async def delete(self, video_id: VideoId) -> None:
        """Delete chunks and file document."""
        try:
            with outages():
                await self._bucket.delete(video_id)
        except NoFile:  # what was never committed has chunks at most; those are gone by now
            return

    async def orphans(self, older_than_seconds: float, known: Known) -> AsyncIterator[VideoId]:
        """Find chunks whose file was never committed, then files."""
        chunks = await gridfs_orphans(self._database, older_than_seconds)
        for each in await _strangers(chunks, known):
            yield each
        with outages():
            now = await server_time(self._database)
        before = now - timedelta(seconds=older_than_seconds)
        last = ""
        while ids := await self._files_after(last, before):
            last = ids[-1]
            for each in await _strangers(ids, known):
                yield each

    async def _files_after(self, last: str, before: datetime) -> list[str]:
        with outages():
            documents = (
                await self._database["fs.files"]
                .find({"_id": {"$gt": last}, "uploadDate": {"$lt": before}}, {"_id": 1})
                .sort("_id", ASCENDING)
                .limit(BATCH)
                .to_list()
            )
        return [each["_id"] for each in documents]


async def _strangers(ids: Sequence[str], known: Known) -> list[VideoId]:
    friends = await known(ids) if ids else set()
    return [VideoId(each) for each in ids if each not in friends]


class GridFSVideoSink:
    """A `VideoSink` that counts what it writes."""

    def __init__(self, writer: GridFSWriter) -> None:
        """Write with `writer`."""
        self._writer = writer

    async def write(self, piece: bytes) -> None:
        """Write the next bytes."""
        await self._writer.write(piece)
        metrics.UPLOADED_BYTES.inc(len(piece))

    async def commit(self) -> None:
        """Make the video readable."""
        await self._writer.commit()

    async def abort(self) -> None:
        """Delete what was written."""
        await self._writer.abort()
