"""Tell owners how their conversions are doing, and hand them their audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gateway_service.domain import (
    AccountId,
    Audio,
    AudioExpired,
    AudioNotReady,
    Conversion,
    ConversionId,
    InvalidPageSize,
    PageStart,
    UnknownConversion,
)
from gateway_service.ports import AudioStore, ConversionStore, MissingAudio
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
    """Audio on its way out."""

    filename: str
    content_type: str
    audio: Audio
    pieces: AsyncIterator[bytes]


class FindAudio:
    """Find the audio of one of one's own conversions, as long as it is kept."""

    def __init__(self, get: GetConversion, clock: Clock) -> None:
        """Look with `get`; what is kept depends on the time."""
        self._get = get
        self._clock = clock

    async def __call__(
        self, account_id: AccountId, conversion_id: ConversionId
    ) -> tuple[Conversion, Audio]:
        """Find it; raise `UnknownConversion`, `AudioNotReady` or `AudioExpired`."""
        conversion = await self._get(account_id, conversion_id)
        if conversion.audio is None:
            message = f"the conversion is {conversion.state.value}; there is no audio to download"
            raise AudioNotReady(message)
        expire_time = conversion.audio_expire_time
        if expire_time is not None and expire_time <= self._clock.now():
            message = "the audio is kept no longer; upload the video again"
            raise AudioExpired(message)
        return conversion, conversion.audio


class DownloadAudio:
    """Hand audio to its owner."""

    def __init__(self, find: FindAudio, audio: AudioStore) -> None:
        """Read from `audio` what `find` finds."""
        self._find = find
        self._audio = audio

    async def __call__(self, account_id: AccountId, conversion_id: ConversionId) -> Download:
        """Open the file; raise `UnknownConversion`, `AudioNotReady` or `AudioExpired`.

        The pieces raise the same if it goes while it is being read.
        """
        conversion, audio = await self._find(account_id, conversion_id)
        return Download(
            conversion.audio_filename,
            conversion.options.format.content_type,
            audio,
            self._pieces(conversion, audio),
        )

    async def _pieces(self, conversion: Conversion, audio: Audio) -> AsyncIterator[bytes]:
        try:
            async for piece in self._audio.read(audio.id):
                yield piece
        except MissingAudio:
            # It may have been deleted, or have expired, since it was found.
            await self._find(conversion.owner.account_id, conversion.id)
            raise
