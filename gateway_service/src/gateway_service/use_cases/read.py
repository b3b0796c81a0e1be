"""Tell owners how their conversions are doing, and hand them their audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gateway_service.domain import (
    AccountId,
    Audio,
    AudioNotReady,
    Conversion,
    ConversionId,
    InvalidPageSize,
    PageStart,
    UnknownConversion,
)
from gateway_service.ports import AudioStore, ConversionStore
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
WATCH_SECONDS = 0.25


class GetConversion:
    """Fetch one of one's own conversions."""

    def __init__(self, conversions: ConversionStore) -> None:
        """Read from `conversions`."""
        self._conversions = conversions

    async def __call__(self, account_id: AccountId, conversion_id: ConversionId) -> Conversion:
        """Fetch it; raise `UnknownConversion` alike for none and for somebody else's."""
        found = await self._conversions.find_own(account_id, conversion_id)
        if found is None:
            message = "you have no such conversion"
            raise UnknownConversion(message)
        return found


class ListConversions:
    """List one's own conversions."""

    def __init__(self, conversions: ConversionStore) -> None:
        """Read from `conversions`."""
        self._conversions = conversions

    async def __call__(
        self, account_id: AccountId, size: int, start: PageStart | None
    ) -> tuple[Sequence[Conversion], PageStart | None]:
        """Give a page, newest first, and where the next one starts (None after the last)."""
        if size < 0:
            message = "page_size must not be negative"
            raise InvalidPageSize(message)
        wanted = min(size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        found = await self._conversions.page(account_id, wanted + 1, start)
        page = found[:wanted]
        more = len(found) > wanted
        return page, PageStart(page[-1].create_time, page[-1].id) if more else None


class WatchConversion:
    """Follow one of one's own conversions; a `Background`, so that watchers end with the server."""

    def __init__(self, get: GetConversion, clock: Clock) -> None:
        """Look with `get`, every quarter of a second."""
        self._get = get
        self._clock = clock
        self._ending = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Let every watcher go once the service stops; they come back to another instance."""
        await stopping.wait()
        self._ending = True

    async def __call__(
        self, account_id: AccountId, conversion_id: ConversionId
    ) -> AsyncIterator[Conversion]:
        """Give the conversion as it is, then after every change, the final one last.

        Raises `UnknownConversion`, or `Outage` when this instance stops.
        """
        seen = -1
        while True:
            conversion = await self._get(account_id, conversion_id)
            if conversion.revision != seen:
                seen = conversion.revision
                yield conversion
            if conversion.is_final:
                return
            if self._ending:
                message = "gateway: stopping"
                raise Outage(message)
            await self._clock.sleep(WATCH_SECONDS)


@dataclass(frozen=True, slots=True)
class Download:
    """An MP3 on its way out."""

    filename: str
    audio: Audio
    pieces: AsyncIterator[bytes]


class DownloadAudio:
    """Hand an MP3 to its owner."""

    def __init__(self, get: GetConversion, audio: AudioStore) -> None:
        """Read from `audio`."""
        self._get = get
        self._audio = audio

    async def __call__(self, account_id: AccountId, conversion_id: ConversionId) -> Download:
        """Open the MP3; raise `UnknownConversion` or `AudioNotReady`."""
        conversion = await self._get(account_id, conversion_id)
        if conversion.audio is None:
            message = f"the conversion is {conversion.state.value}; there is no audio to download"
            raise AudioNotReady(message)
        pieces = self._audio.read(conversion.audio.id)
        return Download(conversion.audio_filename, conversion.audio, pieces)
