"""What was ordered, who may carry it out, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from converter_service.domain.attempts import Attempts
from converter_service.domain.failures import FailureReason
from converter_service.domain.loudness import Measured
from converter_service.domain.options import Options
from converter_service.domain.sources import Source

ConversionId = NewType("ConversionId", str)
VideoId = NewType("VideoId", str)
AudioId = NewType("AudioId", str)

# Bit rates of MPEG-1 layer III, kbit/s (ISO 11172-3, 2.4.2.3); 0 asks for the variable one.
BIT_RATES_KBPS = frozenset((0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320))


class ClaimLost(Exception):
    """Somebody else has the conversion, or it was called off: write nothing, clean up, go away."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for: this video, as audio like this.

    The gateway has heard of no fencing number higher than `fence_floor`.
    """

    conversion_id: ConversionId
    video_id: VideoId
    size_bytes: int
    sha256: str
    create_time: datetime
    options: Options = field(default_factory=Options)
    account_id: str = ""
    fence_floor: int = 0


@dataclass(frozen=True, slots=True)
class DueOrder:
    """An order that somebody should take; one that `goes_alone` only who does nothing else."""

    order: Order
    goes_alone: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to convert, for as long as it is renewed; a higher `fence` has taken it over.

    `owner` is a number that nobody else has ever had. `left_behind` names the audio that those
    before may have stored.
    """

    order: Order
    fence: int
    owner: str
    attempts: Attempts = field(default_factory=Attempts)
    left_behind: frozenset[AudioId] = frozenset()


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """Audio in the store."""

    audio_id: AudioId
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class AudioFile:
    """Whose a stored file is, by its own account."""

    audio_id: AudioId
    conversion_id: ConversionId
    fence: int


@dataclass(frozen=True, slots=True)
class Succeeded:
    """There is audio."""

    stored: StoredAudio
    seconds: float
    sample_rate_hz: int
    channels: int
    peak_dbfs: float
    engine: str
    end_time: datetime
    source: Source | None = None
    loudness: Measured | None = None
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be none."""

    reason: FailureReason
    message: str
    end_time: datetime


Outcome = Succeeded | Failed


class Ending(StrEnum):
    """How the gateway calls a conversion off."""

    CANCELLED = "CANCELLED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class CalledOff:
    """A conversion that was called off and that nobody works on any more.

    `audio_ids` names the audio that may have been stored. `call` counts how often the gateway
    asked: who has cleaned up settles that call, and not one that came in meanwhile.
    """

    conversion_id: ConversionId
    ending: Ending
    fence: int
    audio_ids: frozenset[AudioId]
    call: int
