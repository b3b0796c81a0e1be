"""Read audio from GridFS, where converters put it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gridfs.asynchronous.grid_file import AsyncGridFSBucket
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service import metrics
from gateway_service.domain import AudioId
from tonearm_chassis.mongo import Document, outages

PIECE_BYTES = 256 * 1024  # what travels best through Envoy's buffers


class GridFSAudioStore:
    """An `AudioStore`; an MP3's id is its GridFS file id."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Read audio from `database`."""
        self._bucket = AsyncGridFSBucket(database)

    async def read(self, audio_id: AudioId) -> AsyncIterator[bytes]:
        """Read an MP3; raise `gridfs.NoFile` if it is not there, which is a bug somewhere."""
        with outages():
            stream = await self._bucket.open_download_stream(audio_id)
        while True:
            with outages():
                piece = await stream.read(PIECE_BYTES)
            if not piece:
                return
            metrics.DOWNLOADED_BYTES.inc(len(piece))
            yield piece
