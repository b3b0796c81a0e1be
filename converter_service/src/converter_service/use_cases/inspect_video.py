"""Look at a stored video without converting it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from converter_service.domain import ConversionId, Order, Source, VideoId
from converter_service.ports import Engine, VideoStore, Workshop

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class InspectVideo:
    """Tells what a stored video is; one at a time, since each takes its room on the disk."""

    def __init__(self, videos: VideoStore, engine: Engine, workshop: Workshop) -> None:
        """Look at what is in `videos`."""
        self._videos = videos
        self._engine = engine
        self._workshop = workshop
        self._turn = asyncio.Lock()

    async def __call__(self, video_id: VideoId, size_bytes: int, sha256: str) -> Source:
        """Copy it, look at it, and keep nothing.

        Raises `VideoLost` if there is no such video, `UnreadableVideo`, `NoAudio`,
        `ConversionTimedOut`, `StorageFull` and `Outage`.
        """
        wanted = Order(ConversionId(""), video_id, size_bytes, sha256, NEVER)
        async with self._turn, self._workshop.open() as workplace:
            self._workshop.require_space(size_bytes)
            await self._videos.copy(wanted, workplace.video)
            return await self._engine.inspect(workplace.video)
