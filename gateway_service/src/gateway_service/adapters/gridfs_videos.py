"""Keep videos in GridFS."""

from __future__ import annotations

from gridfs import NoFile
from gridfs.asynchronous.grid_file import AsyncGridFSBucket
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service import metrics
from gateway_service.domain import VideoId
from tonearm_chassis.gridfs_writer import GridFSWriter, prepare_gridfs
from tonearm_chassis.mongo import Document, outages


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
        except NoFile:
            return


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
