"""What the use cases need from outside. Every method may raise `Outage`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway_service.domain import (
    AccountId,
    AudioId,
    Conversion,
    ConversionId,
    PageStart,
    VideoId,
)


class VideoSink(Protocol):
    """A video that is being stored; nobody can read it before `commit`."""

    async def write(self, piece: bytes) -> None:
        """Store the next bytes; waits while the store is busy."""
        ...

    async def commit(self) -> None:
        """Make the video readable; when this returns it survives the kill of any process."""
        ...

    async def abort(self) -> None:
        """Throw away what was written; a repeat changes nothing."""
        ...


class VideoStore(Protocol):
    """Where uploaded videos wait for a worker."""

    def begin(self, video_id: VideoId) -> VideoSink:
        """Begin to store a video."""
        ...

    async def delete(self, video_id: VideoId) -> None:
        """Delete a video; one that is not there is no error."""
        ...


class AudioStore(Protocol):
    """Where finished MP3s wait for their owners."""

    def read(self, audio_id: AudioId) -> AsyncIterator[bytes]:
        """Read an MP3 from its start, in pieces of at most 256 KiB."""
        ...


class ConversionStore(Protocol):
    """Where conversions are kept, together with the events they promise."""

    async def add(self, conversion: Conversion) -> Conversion:
        """Store a new conversion and the promise of its ConversionRequested, in one write.

        If its owner used its `request_id` before, stores nothing and gives that conversion.
        """
        ...

    async def find(self, conversion_id: ConversionId) -> Conversion | None:
        """Find a conversion, whoever owns it: only for news from inside."""
        ...

    async def find_own(
        self, account_id: AccountId, conversion_id: ConversionId
    ) -> Conversion | None:
        """Find an account's own conversion; anybody else's is not found."""
        ...

    async def page(
        self, account_id: AccountId, size: int, start: PageStart | None
    ) -> Sequence[Conversion]:
        """List at most `size` of an account's conversions, newest first, after `start`."""
        ...

    async def replace(self, old: Conversion, new: Conversion) -> bool:
        """Store `new` if the stored revision is still `old`'s; tell whether it was.

        If `new` is final and `old` was not, the same write promises its NotificationRequested.
        """
        ...

    async def silent(self, now: datetime, limit: int) -> Sequence[Conversion]:
        """List conversions whose `remind_time` has come: unfinished, or with nobody told."""
        ...

    async def remind(self, conversion: Conversion, now: datetime, pause: timedelta) -> None:
        """Promise again, at `now`, what this conversion waits for, and not again before `pause`.

        Changes nothing if the conversion has another revision by now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the web page."""

    content_type: str
    content: bytes


class Page(Protocol):
    """The files of the web page."""

    def asset(self, name: str) -> Asset:
        """Give a file by its name, the page itself by ""; raise `UnknownAsset`."""
        ...


class Waker(Protocol):
    """Tells the relay that something was just promised."""

    def wake(self) -> None:
        """Relay now. Never waits, never fails."""
        ...
