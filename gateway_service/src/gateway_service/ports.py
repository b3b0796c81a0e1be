"""What the use cases need from outside. Every method may raise `Outage`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway_service.domain import (
    AccountId,
    AudioId,
    Conversion,
    ConversionId,
    PageStart,
    Upload,
    Video,
    VideoId,
    Waveform,
)


class VideoSink(Protocol):
    """A video that is being stored; nobody can read it before `commit`."""

    async def write(self, piece: bytes) -> None:
        """Store the next bytes; waits while the store is busy. Raises `StorageFull`."""
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
        """Delete all bytes of a video, committed or not; that there are none is no error."""
        ...

    def orphans(self, older_than_seconds: float, known: Known) -> AsyncIterator[VideoId]:
        """Find what has lain there for so long although `known` does not have it."""
        ...


class Known(Protocol):
    """Tells which videos are accounted for."""

    async def __call__(self, video_ids: Collection[str]) -> set[str]:
        """Give those of `video_ids` that are."""
        ...


class VideoLedger(Protocol):
    """What videos there are, and which conversions use each: what nobody uses is thrown away.

    An entry is RECEIVING while bytes come in, then STORED, then DISCARDED; then it is removed.
    Every step is one write that takes effect only in the state it is meant for, so that several
    gateways may sweep at once, and beside an upload.
    """

    async def begin(self, video_id: VideoId, now: datetime) -> None:
        """Enter a video before its first byte is stored."""
        ...

    async def touch(self, video_id: VideoId, now: datetime) -> bool:
        """Say that bytes still come in; false if the upload was given up meanwhile."""
        ...

    async def store(self, video: Video, user: ConversionId, now: datetime) -> bool:
        """Say that the video is complete, for a conversion that is about to be inserted.

        False if the upload was given up meanwhile.
        """
        ...

    async def take(self, video_id: VideoId, user: ConversionId, now: datetime) -> bool:
        """Use a stored video for another conversion that is about to be inserted.

        False if it is not kept any more.
        """
        ...

    async def settle(self, video_id: VideoId, user: ConversionId) -> None:
        """Say that the conversion which was about to be inserted is there."""
        ...

    async def release(self, video_id: VideoId, user: ConversionId, now: datetime) -> None:
        """Say that a conversion needs the video no more; with the last one it is DISCARDED."""
        ...

    async def idle(self, before: datetime, limit: int) -> Sequence[Upload]:
        """List uploads to which nothing has come since `before`."""
        ...

    async def give_up(self, upload: Upload, now: datetime) -> None:
        """Discard an upload unless something has come since it was listed."""
        ...

    async def unsettled(
        self, before: datetime, limit: int
    ) -> Sequence[tuple[VideoId, ConversionId]]:
        """List who was about to use a video before that time, and may never have been inserted."""
        ...

    async def discarded(self, limit: int) -> Sequence[VideoId]:
        """List the videos whose bytes are to be deleted."""
        ...

    async def remove(self, video_id: VideoId) -> None:
        """Forget a video that is not STORED; its bytes are gone."""
        ...

    async def known(self, video_ids: Collection[str]) -> set[str]:
        """Tell which of these have an entry."""
        ...

    async def adopt(
        self, video_id: VideoId, users: Collection[ConversionId], now: datetime
    ) -> None:
        """Enter a stored video that has users but no entry; changes none that is there."""
        ...


class MissingAudio(Exception):
    """The audio is not there, or not all of it."""


class AudioStore(Protocol):
    """Where finished MP3s wait for their owners."""

    def read(self, audio_id: AudioId) -> AsyncIterator[bytes]:
        """Read an MP3 from its start, in pieces of at most 256 KiB. Raises `MissingAudio`."""
        ...

    async def waveform(self, audio_id: AudioId) -> Waveform | None:
        """Fetch what an MP3 looks like; None if it was stored without. Raises `MissingAudio`."""
        ...

    async def delete(self, audio_id: AudioId) -> None:
        """Delete an MP3, and its waveform with it; that it is not there is no error."""
        ...


class ConversionStore(Protocol):
    """Where conversions are kept, together with the events they promise.

    What a write makes a conversion wait for (`awaited`) is promised by the same write.
    """

    async def add(self, conversion: Conversion) -> Conversion:
        """Store a new conversion and the promise of its ConversionRequested, in one write.

        If its owner used its `request_id` before, or there is one of its id, stores nothing and
        gives that conversion, which may be deleted.
        """
        ...

    async def find(self, conversion_id: ConversionId) -> Conversion | None:
        """Find a conversion, whoever owns it, deleted or not."""
        ...

    async def find_own(
        self, account_id: AccountId, conversion_id: ConversionId
    ) -> Conversion | None:
        """Find an account's own conversion; anybody else's and a deleted one are not found."""
        ...

    async def find_request(self, account_id: AccountId, request_id: str) -> Conversion | None:
        """Find what an account requested with this id, deleted or not."""
        ...

    async def page(
        self, account_id: AccountId, size: int, start: PageStart | None
    ) -> Sequence[Conversion]:
        """List at most `size` of an account's conversions, newest first, after `start`."""
        ...

    async def replace(self, old: Conversion, new: Conversion) -> bool:
        """Store `new` if the stored revision is still `old`'s; tell whether it was."""
        ...

    async def silent(self, now: datetime, limit: int) -> Sequence[Conversion]:
        """List conversions whose `remind_time` has come: they still wait for something."""
        ...

    async def remind(self, conversion: Conversion, now: datetime, pause: timedelta) -> None:
        """Promise again, at `now`, what this conversion waits for, and not again before `pause`.

        Changes nothing if the conversion has another revision by now.
        """
        ...

    async def rush(self, now: datetime) -> None:
        """Make whatever waits for something due at once."""
        ...


class ConversionRecords(Protocol):
    """What the sweeper needs of conversions: the same ones that the `ConversionStore` keeps."""

    async def unkept(self, limit: int) -> Sequence[Conversion]:
        """List those that ended without a word on how long their files are kept (version 0.1)."""
        ...

    async def forestall(self, conversion_id: ConversionId, now: datetime) -> bool:
        """See to it that there is no such conversion, or will be; false if there is.

        A tombstone takes the place of one that was about to be inserted. A deleted one is none.
        """
        ...

    async def done_with_video(self, now: datetime, limit: int) -> Sequence[Conversion]:
        """List conversions that need their video no longer and have not released it."""
        ...

    async def video_released(self, conversion: Conversion) -> None:
        """Note that the ledger knows that; a repeat changes nothing."""
        ...

    async def done_with_audio(self, now: datetime, limit: int) -> Sequence[Conversion]:
        """List conversions whose audio has expired and is not yet deleted."""
        ...

    async def audio_deleted(self, conversion: Conversion) -> None:
        """Note that the audio is gone; a repeat changes nothing."""
        ...

    async def forgettable(self, before: datetime, limit: int) -> Sequence[Conversion]:
        """List tombstones from before that time that wait for nothing and hold no video."""
        ...

    async def forget(self, conversion: Conversion) -> None:
        """Remove a tombstone."""
        ...

    async def users(self, video_id: VideoId) -> Sequence[ConversionId]:
        """List the conversions that still need a video."""
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
    """Tells something in the background that there is work."""

    def wake(self) -> None:
        """Work now. Never waits, never fails."""
        ...
