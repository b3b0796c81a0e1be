"""Read audio from GridFS, where converters put it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from gridfs.asynchronous.grid_file import AsyncGridFSBucket
from gridfs.errors import CorruptGridFile, NoFile
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service import metrics
from gateway_service.domain import AudioId, Waveform
from gateway_service.ports import MissingAudio
from tonearm_chassis.mongo import Document, outages

PIECE_BYTES = 256 * 1024  # what travels best through Envoy's buffers


class GridFSAudioStore:
    """An `AudioStore`; an MP3's id is its GridFS file id."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Read audio from `database`."""
        self._bucket = AsyncGridFSBucket(database)
        self._files = database["fs.files"]

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

    async def waveform(self, audio_id: AudioId) -> Waveform | None:
        """Read it out of the file's document, where the converter put it."""
        with outages():
            found = await self._files.find_one({"_id": audio_id}, {"metadata.waveform": 1})
        if found is None:
            raise MissingAudio(audio_id)
        stored = (found.get("metadata") or {}).get("waveform")
        return None if stored is None else _waveform(stored)

    async def delete(self, audio_id: AudioId) -> None:
        """Delete file document and chunks."""
        try:
            with outages():
                await self._bucket.delete(audio_id)
        except NoFile:
            return


def _waveform(stored: Document) -> Waveform:
    return Waveform(
        sample_rate_hz=stored["sample_rate_hz"],
        samples_per_pixel=stored["samples_per_pixel"],
        peaks=bytes(stored["peaks"]),
        peak_dbfs=stored["peak_dbfs"],
        rms_dbfs=stored["rms_dbfs"],
        clipped_share=stored["clipped_share"],
    )


@contextmanager
def _missing(audio_id: AudioId) -> Iterator[None]:
    try:
        yield
    except (NoFile, CorruptGridFile) as error:
        raise MissingAudio(audio_id) from error
