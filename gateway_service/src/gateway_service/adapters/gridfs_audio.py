"""Read audio from GridFS, where converters put it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from gridfs.asynchronous.grid_file import AsyncGridFSBucket
from gridfs.errors import CorruptGridFile, NoFile
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service import metrics
from gateway_service.domain import AudioId
from gateway_service.ports import MissingAudio
from tonearm_chassis.mongo import Document, outages

PIECE_BYTES = 256 * 1024  # what travels best through Envoy's buffers


class GridFSAudioStore:
    """An `AudioStore`; an MP3's id is its GridFS file id."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Read audio from `database`."""
        self._bucket = AsyncGridFSBucket(database)

    async def read(self, audio_id: AudioId) -> AsyncIterator[bytes]:
        """Read an MP3."""
        with _missing(audio_id), outages():
            stream = await self._bucket.open_download_stream(audio_id)
        while True:
            with _missing(audio_id), outages():
                piece = await stream.read(PIECE_BYTES)
            if not piece:
                return
            metrics.DOWNLOADED_BYTES.inc(len(piece))
            yield piece

    async def delete(self, audio_id: AudioId) -> None:
        """Delete file document and chunks."""
        try:
            with outages():
                await self._bucket.delete(audio_id)
        except NoFile:
            return


@contextmanager
def _missing(audio_id: AudioId) -> Iterator[None]:
    try:
        yield
    except (NoFile, CorruptGridFile) as error:
        raise MissingAudio(audio_id) from error
