"""What a conversion is, how its state may change, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import NewType

from gateway_service.domain.changes import (
    Audio,
    CancellationConfirmed,
    Cancelled,
    Change,
    Deleted,
    DeletionConfirmed,
    Failed,
    Failure,
    Notified,
    Party,
    Progressed,
    Started,
    Succeeded,
    WorkerNews,
)
from gateway_service.domain.options import Options
from gateway_service.domain.videos import Video, VideoId

AccountId = NewType("AccountId", str)
ConversionId = NewType("ConversionId", str)


class State(Enum):
    """Where a conversion stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
RETRYABLE = frozenset({State.FAILED, State.CANCELLED})


class Awaited(Enum):
    """What a conversion waits for; it is asked for again until it comes."""

    OUTCOME = "OUTCOME"
    NOTICE = "NOTICE"
    CANCELLATION = "CANCELLATION"
    DELETION_BY_CONVERTER = "DELETION_BY_CONVERTER"
    DELETION_BY_NOTIFIER = "DELETION_BY_NOTIFIER"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a conversion is, and where its notice goes."""

    account_id: AccountId
    email: str


@dataclass(frozen=True, slots=True)
class Retention:
    """How long something is kept after the end of a conversion."""

    video: timedelta
    audio: timedelta


@dataclass(frozen=True, slots=True)
class Conversion:
    """One video on its way to becoming one audio file.

    `fence` is the highest fencing number heard of: news with a lower one is stale. `revision`
    counts the writes and is what compare-and-set compares. `sign_time` is the last sign of life.
    `fingerprint` tells what was requested with `request_id`. `confirmed` lists who has done what a
    cancellation or a deletion asks for. `video_released` and `audio_expired` say that what was due
    at the expire times is done. Once deleted it is a tombstone: no more than what keeps it deleted
    and its `request_id` known.
    """

    id: ConversionId
    owner: Owner
    video: Video
    create_time: datetime
    sign_time: datetime
    options: Options = field(default_factory=Options)
    state: State = State.QUEUED
    progress: float = 0.0
    audio: Audio | None = None
    source: bytes | None = None
    failure: Failure | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    fence: int = 0
    revision: int = 0
    reminders: int = 0
    notified: bool = False
    request_id: str = ""
    fingerprint: str = ""
    retry_of: ConversionId | None = None
    video_expire_time: datetime | None = None
    video_released: bool = False
    audio_expire_time: datetime | None = None
    audio_expired: bool = False
    delete_time: datetime | None = None
    confirmed: frozenset[Party] = frozenset()

    @property
    def is_final(self) -> bool:
        """Tell whether the state can change no more."""
        return self.state in FINAL

    @property
    def is_deleted(self) -> bool:
        """Tell whether this is only a tombstone."""
        return self.delete_time is not None

    @property
    def audio_filename(self) -> str:
        """The name its audio is downloaded under."""
        stem, dot, _ = self.video.filename.rpartition(".")
        name = stem if dot and stem else self.video.filename
        return f"{name}.{self.options.format.extension}"

    @property
    def awaited(self) -> frozenset[Awaited]:
        """What others still owe: a promise must be made of each."""
        if self.is_deleted:
            deletions = {
                Party.CONVERTER: Awaited.DELETION_BY_CONVERTER,
                Party.NOTIFIER: Awaited.DELETION_BY_NOTIFIER,
            }
            return frozenset(deletions[party] for party in Party if party not in self.confirmed)
        if not self.is_final:
            return frozenset({Awaited.OUTCOME})
        if self.state is State.CANCELLED:
            return frozenset(() if Party.CONVERTER in self.confirmed else {Awaited.CANCELLATION})
        return frozenset(() if self.notified else {Awaited.NOTICE})

    def after(self, change: Change, now: datetime) -> Conversion | None:
        """Give the conversion as `change` leaves it; None if that changes nothing."""
        match change:
            case Notified():
                known = self.notified or self.is_deleted
                return None if known else replace(self, notified=True)
            case Cancelled():
                return None if self.is_final else self._cancelled(now)
            case Deleted():
                return None if self.is_deleted else self._tombstone(now)
            case CancellationConfirmed():
                called_off = self.state is State.CANCELLED and not self.is_deleted
                return self._confirmed(Party.CONVERTER, now) if called_off else None
            case DeletionConfirmed(party=party):
                return self._confirmed(party, now) if self.is_deleted else None
            case _:
                return self._after_news(change, now)

    def kept(self, retention: Retention) -> Conversion:
        """Give it with the times until which video and audio are kept, counted from now."""
        return replace(
            self,
            video_expire_time=self.sign_time + retention.video,
            audio_expire_time=self.sign_time + retention.audio if self.audio else None,
        )

    def _after_news(self, news: WorkerNews, now: datetime) -> Conversion | None:
        if self.is_final or news.fence < self.fence or self._has_heard(news):
            return None
        heard = replace(self, fence=news.fence, sign_time=now, reminders=0)
        return heard._changed_by(news, now)  # noqa: SLF001 - itself, a moment later

    def _has_heard(self, news: WorkerNews) -> bool:
        match news:
            case Started(fence=fence):
                return self.state is State.RUNNING and fence == self.fence
            case Progressed(fence=fence, progress=progress):
                return self.state is State.RUNNING and (
                    fence == self.fence and progress <= self.progress
                )
            case _:
                return False

    def _changed_by(self, news: WorkerNews, now: datetime) -> Conversion:
        match news:
            case Started():
                return self._running_since(news.time)
            case Progressed():
                return replace(self._running_since(now), progress=min(news.progress, 1.0))
            case Succeeded():
                return replace(
                    self._running_since(news.time),
                    state=State.SUCCEEDED,
                    progress=1.0,
                    audio=news.audio,
                    source=news.source,
                    end_time=news.time,
                )
            case Failed():
                return replace(self, state=State.FAILED, failure=news.failure, end_time=news.time)

    def _running_since(self, time: datetime) -> Conversion:
        # Keeps the first start time; what another worker did is done again from its beginning.
        return replace(self, state=State.RUNNING, progress=0.0, start_time=self.start_time or time)

    def _cancelled(self, now: datetime) -> Conversion:
        return replace(
            self,
            state=State.CANCELLED,
            sign_time=now,
            end_time=now,
            reminders=0,
        )

    def _tombstone(self, now: datetime) -> Conversion:
        # Made anew, so that whatever a conversion will know one day is forgotten, too.
        return Conversion(
            id=self.id,
            owner=Owner(self.owner.account_id, ""),
            video=Video(self.video.id, "", 0, ""),
            create_time=self.create_time,
            sign_time=now,
            state=self.state if self.is_final else State.CANCELLED,
            end_time=self.end_time or now,
            fence=self.fence,
            revision=self.revision,
            notified=True,
            request_id=self.request_id,
            fingerprint=self.fingerprint,
            video_expire_time=now,
            video_released=self.video_released,
            delete_time=now,
        )

    def _confirmed(self, party: Party, now: datetime) -> Conversion | None:
        if party in self.confirmed:
            return None
        return replace(self, confirmed=self.confirmed | {party}, sign_time=now, reminders=0)


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page of a list begins: after this conversion."""

    create_time: datetime
    id: ConversionId


def never_inserted(conversion_id: ConversionId, now: datetime) -> Conversion:
    """Make a tombstone for a conversion that nobody has heard of, so that nobody will."""
    return Conversion(
        id=conversion_id,
        owner=Owner(AccountId(""), ""),
        video=Video(VideoId(""), "", 0, ""),
        create_time=now,
        sign_time=now,
        state=State.CANCELLED,
        notified=True,
        video_released=True,
        delete_time=now,
        confirmed=frozenset(Party),
    )
