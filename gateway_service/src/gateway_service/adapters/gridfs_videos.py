"""Keep videos in GridFS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from gridfs import NoFile
from gridfs.asynchronous.grid_file import AsyncGridFSBucket
from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service import metrics
from gateway_service.domain import VideoId
from gateway_service.ports import Known
from tonearm_chassis.gridfs_writer import GridFSWriter, prepare_gridfs
from tonearm_chassis.mongo import Document, outages

BATCH = 100


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
        """Find them by the indexes of chunks and file documents; only orphans are looked at."""
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        for name, key in (("fs.chunks", "files_id"), ("fs.files", "_id")):
            collection = self._database[name]
            last = ""
            while ids := await _next_ids(collection, key, last):
                last = ids[-1]
                strangers = set(ids) - await known(ids)
                for each in sorted(strangers):
                    if await _last_write(collection, key, each) < before:
                        yield VideoId(each)


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


async def _next_ids(collection: AsyncCollection[Document], key: str, last: str) -> list[str]:
    """Skip through an index, for it has an entry for each MiB; the bytes stay on the disk."""
    ids: list[str] = []
    while len(ids) < BATCH:
        with outages():
            found = await collection.find_one(
                {key: {"$gt": last}}, {"_id": 0, key: 1}, sort=[(key, ASCENDING)]
            )
        if found is None:
            break
        last = found[key]
        ids.append(last)
    return ids


async def _last_write(collection: AsyncCollection[Document], key: str, file_id: str) -> datetime:
    """Tell when something of a file was last stored; long ago if that is gone by now."""
    with outages():
        documents = await collection.find({key: file_id}, {"_id": 1, "uploadDate": 1}).to_list()
    times = [each.get("uploadDate") or each["_id"].generation_time for each in documents]
    return max(times, default=datetime.min.replace(tzinfo=UTC))
