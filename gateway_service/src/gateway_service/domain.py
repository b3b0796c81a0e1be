"""What a conversion is, how its state may change, and what is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import NewType

AccountId = NewType("AccountId", str)
ConversionId = NewType("ConversionId", str)
VideoId = NewType("VideoId", str)
AudioId = NewType("AudioId", str)

MAX_FILENAME_LENGTH = 200
# MPEG-1 Layer III, ISO 11172-3, section 2.4.2.3; 0 asks for the default variable rate.
BITRATES_KBPS = frozenset({0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320})
# Control characters, and the invisible ones that turn a name's direction around.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class State(Enum):
    """Where a conversion stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a conversion is, and where its notice goes."""

    account_id: AccountId
    email: str


@dataclass(frozen=True, slots=True)
class Video:
    """An uploaded video, complete."""

    id: VideoId
    filename: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Audio:
    """A finished MP3."""

    id: AudioId
    size_bytes: int
    sha256: str
    duration: timedelta
    sample_rate_hz: int
    channels: int
    peak_dbfs: float
    engine: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no MP3: a reason for programs, a sentence for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Started:
    """A worker took the conversion."""

    fence: int
    time: datetime


@dataclass(frozen=True, slots=True)
class Progressed:
    """A share of the audio, from 0 to 1, is done."""

    fence: int
    progress: float


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The audio is stored and verified."""

    fence: int
    audio: Audio
    time: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be no audio."""

    fence: int
    failure: Failure
    time: datetime


@dataclass(frozen=True, slots=True)
class Notified:
    """The owner was told, or cannot be told."""


Change = Started | Progressed | Succeeded | Failed | Notified


@dataclass(frozen=True, slots=True)
class Conversion:
    """One video on its way to becoming one MP3.

    `fence` is the highest fencing number heard of: news with a lower one is stale. `revision`
    counts the writes and is what compare-and-set compares. `sign_time` is the last sign of life.
    """

    id: ConversionId
    owner: Owner
    video: Video
    bitrate_kbps: int
    create_time: datetime
    sign_time: datetime
    state: State = State.QUEUED
    progress: float = 0.0
    audio: Audio | None = None
    failure: Failure | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    fence: int = 0
    revision: int = 0
    reminders: int = 0
    notified: bool = False
    request_id: str = ""

    @property
    def is_final(self) -> bool:
        """Tell whether the state can change no more."""
        return self.state in FINAL

    @property
    def audio_filename(self) -> str:
        """The name its MP3 is downloaded under."""
        stem, dot, _ = self.video.filename.rpartition(".")
        return f"{stem if dot and stem else self.video.filename}.mp3"

    def after(self, change: Change, now: datetime) -> Conversion | None:
        """Give the conversion as `change` leaves it; None if the change is old news."""
        if isinstance(change, Notified):
            return None if self.notified else replace(self, notified=True)
        if self.is_final or change.fence < self.fence or self._has_heard(change):
            return None
        heard = replace(self, fence=change.fence, sign_time=now, reminders=0)
        return heard.changed_by(change, now)

    def _has_heard(self, change: Change) -> bool:
        match change:
            case Started(fence=fence):
                return self.state is State.RUNNING and fence == self.fence
            case Progressed(fence=fence, progress=progress):
                return self.state is State.RUNNING and (
                    fence == self.fence and progress <= self.progress
                )
            case _:
                return False

    def changed_by(
        self, change: Started | Progressed | Succeeded | Failed, now: datetime
    ) -> Conversion:
        """Give the conversion as news that is fresh leaves it."""
        match change:
            case Started():
                return self.running_since(change.time)
            case Progressed():
                return replace(self.running_since(now), progress=min(change.progress, 1.0))
            case Succeeded():
                return replace(
                    self.running_since(change.time),
                    state=State.SUCCEEDED,
                    progress=1.0,
                    audio=change.audio,
                    end_time=change.time,
                )
            case Failed():
                return replace(
                    self, state=State.FAILED, failure=change.failure, end_time=change.time
                )

    def running_since(self, time: datetime) -> Conversion:
        """Give the conversion as RUNNING from its beginning; keeps the first start time."""
        return replace(self, state=State.RUNNING, progress=0.0, start_time=self.start_time or time)


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page of a list begins: after this conversion."""

    create_time: datetime
    id: ConversionId


class Refusal(Exception):
    """Something the caller asked for that is not done; its text is for people."""


class MissingFilename(Refusal):
    """The upload has no name."""


class InvalidBitrate(Refusal):
    """MP3 knows no such bit rate."""


class InvalidSHA256(Refusal):
    """The declared checksum is none."""


class InvalidRequestId(Refusal):
    """The request id is no UUID."""


class LengthRequired(Refusal):
    """The upload does not say where it ends."""


class EmptyVideo(Refusal):
    """The upload has no bytes."""


class IncompleteVideo(Refusal):
    """The upload ended before its declared length."""


class LengthMismatch(Refusal):
    """The upload went on after its declared length."""


class ChecksumMismatch(Refusal):
    """The upload's bytes are not those that were declared."""


class VideoTooLarge(Refusal):
    """The upload is larger than this service takes."""


class RequestIdReused(Refusal):
    """The request id belongs to another upload."""


class UnknownConversion(Refusal):
    """The caller has no such conversion."""


class AudioNotReady(Refusal):
    """The conversion has no audio, yet or ever."""


class InvalidPageSize(Refusal):
    """The page size is negative."""


class InvalidPageToken(Refusal):
    """The page token was not made here."""


class UnknownAsset(Refusal):
    """The page has no such file."""


def safe_filename(text: str) -> str:
    """Drop directories and control characters from a name. Raises `MissingFilename`."""
    name = UNPRINTABLE.sub("", text).replace("\\", "/").rpartition("/")[2].strip(" .")
    if not name:
        message = "give the video a name: filename=holiday.mp4"
        raise MissingFilename(message)
    if len(name) <= MAX_FILENAME_LENGTH:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > MAX_FILENAME_LENGTH // 10:
        return name[:MAX_FILENAME_LENGTH]
    return f"{stem[: MAX_FILENAME_LENGTH - len(extension) - 1]}.{extension}"
