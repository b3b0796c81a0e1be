"""Keep videos in GridFS."""

from __future__ import annotations

from typing import Any

from gridfs import NoFile
from gridfs.asynchronous.grid_file import AsyncGridFSBucket
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service import metrics
from gateway_service.domain import VideoId
from tonearm_chassis.mongo import Document, outages

CHUNK_BYTES = 1024 * 1024  # the default of 255 KiB is a relic of MMAPv1 (SERVER-13331)


class GridFSVideoStore:
    """A `VideoStore`; a video's id is its GridFS file id."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Keep videos in `database`."""
        self._bucket = AsyncGridFSBucket(database, chunk_size_bytes=CHUNK_BYTES)

    def begin(self, video_id: VideoId) -> GridFSVideoSink:
        """Open an upload stream; its chunks come first and its file document last."""
        return GridFSVideoSink(self._bucket.open_upload_stream_with_id(video_id, "video"))

    async def delete(self, video_id: VideoId) -> None:
        """Delete chunks and file document."""
        try:
            with outages():
                await self._bucket.delete(video_id)
        except NoFile:
            return


class GridFSVideoSink:
    """A `VideoSink` over a GridFS upload stream, which holds at most a few chunks in memory."""

    def __init__(self, stream: Any) -> None:
        """Write into `stream`."""
        self._stream = stream

    async def write(self, piece: bytes) -> None:
        """Write the next bytes."""
        with outages():
            await self._stream.write(piece)
        metrics.UPLOADED_BYTES.inc(len(piece))

    async def commit(self) -> None:
        """Write the file document: from now on the video can be found."""
        with outages():
            await self._stream.close()

    async def abort(self) -> None:
        """Delete the chunks, and the file document if it was written."""
        with outages():
            await self._stream.abort()
