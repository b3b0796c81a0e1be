"""What can happen to a conversion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import NewType

AudioId = NewType("AudioId", str)


@dataclass(frozen=True, slots=True)
class MeasuredLoudness:
    """How loud audio was, and by how much it was made louder."""

    integrated_lufs: float
    range_lu: float
    true_peak_dbtp: float
    gain_db: float


@dataclass(frozen=True, slots=True)
class Audio:
    """A finished audio file."""

    id: AudioId
    size_bytes: int
    sha256: str
    duration: timedelta
    sample_rate_hz: int
    channels: int
    peak_dbfs: float
    engine: str
    loudness: MeasuredLoudness | None = None
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no audio: a reason for programs, a sentence for people."""

    reason: str
    message: str


class Party(Enum):
    """Who keeps something of a conversion beside the gateway."""

    CONVERTER = "CONVERTER"
    NOTIFIER = "NOTIFIER"


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
    """The audio is stored and verified.

    `source` is what the converter says of the video, encoded as it came: nothing here goes by it,
    and what a newer converter adds is passed on.
    """

    fence: int
    audio: Audio
    time: datetime
    source: bytes | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be no audio."""

    fence: int
    failure: Failure
    time: datetime


@dataclass(frozen=True, slots=True)
class Notified:
    """The owner was told, or cannot be told."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The owner called it off."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The owner wants it forgotten."""


@dataclass(frozen=True, slots=True)
class CancellationConfirmed:
    """No converter works on it, or will; there is no audio of it."""


@dataclass(frozen=True, slots=True)
class DeletionConfirmed:
    """A party has forgotten it."""

    party: Party


WorkerNews = Started | Progressed | Succeeded | Failed
OwnersWish = Cancelled | Deleted
Confirmation = Notified | CancellationConfirmed | DeletionConfirmed
Change = WorkerNews | OwnersWish | Confirmation
