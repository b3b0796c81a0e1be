"""What a conversion is to a converter: an order, a source, an audio, an outcome."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, NewType

ConversionId = NewType("ConversionId", str)
VideoId = NewType("VideoId", str)
AudioId = NewType("AudioId", str)

# Bit rates of MPEG-1 layer III, kbit/s (ISO 11172-3, 2.4.2.3); 0 asks for the variable one.
BIT_RATES_KBPS = frozenset((0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320))

# What a file that is whole may fall short of what it declares: players' and muxers' rounding,
# encoder delay counted or not. The largest seen on whole files of 30 kinds is 0.03 s.
WHOLE_TOLERANCE_SECONDS = 0.5
# The same when the file is known to lack bytes: half of the shortest common audio frame (1,024
# samples at 48 kHz last 0.021 s), so that one lost frame counts, and more than Matroska's tags
# are off on whole files (0.008 s).
CUT_TOLERANCE_SECONDS = 0.01
# Their headers count samples or frames, so that what they declare is exact.
EXACT_CONTAINERS = frozenset(("flac", "mp3"))
# Packets may claim more than they decode to: priming, preroll, a damaged frame or two.
DECODED_TOLERANCE_SECONDS = 0.5
DECODED_TOLERANCE_SHARE = 0.001
# Samples of an MPEG-1 layer III frame; MPEG-2 frames have half of it.
FRAME_SAMPLES = 1152

# Digital silence has no level; programs want a number, people a bottom.
SILENCE_DBFS = -120.0


class FailureReason(StrEnum):
    """Why a conversion failed for good; the names of events.v1 without their prefix."""

    UNREADABLE_VIDEO = "UNREADABLE_VIDEO"
    NO_AUDIO = "NO_AUDIO"
    TRUNCATED_VIDEO = "TRUNCATED_VIDEO"
    VIDEO_LOST = "VIDEO_LOST"
    TIMED_OUT = "TIMED_OUT"
    ENGINE_FAILED = "ENGINE_FAILED"


class Refusal(Exception):
    """A conversion that no repeat can save; `reason` is for programs, `sentence` for people."""

    reason: ClassVar[FailureReason]
    sentence: ClassVar[str]


class UnreadableVideo(Refusal):
    """The file is nothing the engine can read."""

    reason = FailureReason.UNREADABLE_VIDEO
    sentence = "The file is not a video or audio file that can be read, or it is badly damaged."


class NoAudio(Refusal):
    """There is nothing to hear."""

    reason = FailureReason.NO_AUDIO
    sentence = "The video has no audio track."


class TruncatedVideo(Refusal):
    """The file ends, or breaks, before its audio does."""

    reason = FailureReason.TRUNCATED_VIDEO
    sentence = "The video is incomplete: part of its audio is missing. Please upload it again."


class VideoLost(Refusal):
    """The stored video is gone, or no longer what was uploaded."""

    reason = FailureReason.VIDEO_LOST
    sentence = "The uploaded video is no longer available. Please upload it again."


class ConversionTimedOut(Refusal):
    """The engine ran longer than its limit, or stood still."""

    reason = FailureReason.TIMED_OUT
    sentence = "The conversion took too long and was stopped."


ENGINE_FAILED_SENTENCE = (
    "The conversion failed for a technical reason that is not the video's fault."
)


class EngineFailure(Exception):
    """The engine failed for a reason that is not the video's fault; it may work next time."""


class ClaimLost(Exception):
    """Somebody else has the conversion, or it was called off: write nothing, clean up, go away."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for: this video, as MP3."""

    conversion_id: ConversionId
    video_id: VideoId
    size_bytes: int
    sha256: str
    bitrate_kbps: int
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to convert, for as long as it is renewed; a higher `fence` has taken it over."""

    order: Order
    fence: int
    engine_failures: int

    @property
    def audio_id(self) -> AudioId:
        """Name the audio of this claim; each fencing number has its own."""
        return audio_id(self.order.conversion_id, self.fence)


def audio_id(conversion_id: ConversionId, fence: int) -> AudioId:
    """Derive the id under which the holder of `fence` stores its audio."""
    return AudioId(uuid.uuid5(uuid.UUID(conversion_id), str(fence)).hex)


@dataclass(frozen=True, slots=True)
class SourceAudio:
    """What a look at the container tells about the first audio track.

    `declared_seconds` is how long the file says that it lasts, if its word is worth anything;
    `reached_seconds` how far its packets get, on the same scale. `carried_seconds` is the playing
    time of the audio packets found. `cut_off` if the file lacks bytes that its structure promises.
    """

    container: str
    codec: str
    declared_seconds: float | None
    reached_seconds: float
    carried_seconds: float
    cut_off: bool

    @property
    def expected_seconds(self) -> float:
        """Tell how much there is to encode, for the share that is done and the time limit."""
        return self.carried_seconds or self.reached_seconds

    def require_complete(self) -> None:
        """Raise `TruncatedVideo` if the file ends before its audio does."""
        if self.declared_seconds is None:
            if self.cut_off:
                raise TruncatedVideo
            return
        is_exact = self.cut_off or self.container in EXACT_CONTAINERS
        tolerance = CUT_TOLERANCE_SECONDS if is_exact else WHOLE_TOLERANCE_SECONDS
        if self.reached_seconds < self.declared_seconds - tolerance:
            raise TruncatedVideo


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """What the engine says it did; believed only as far as it is checked.

    `decoded_rate_hz` is None if the source changed its rate on the way, so that its samples say
    nothing about time.
    """

    decoded_samples: int
    decoded_rate_hz: int | None
    encoded_samples: int


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """An MP3 after it was decoded from end to end.

    `samples` were counted, `tagged_samples` is what its LAME tag tells players.
    """

    samples: int
    tagged_samples: int
    sample_rate_hz: int
    channels: int
    peak_dbfs: float

    @property
    def seconds(self) -> float:
        """Tell how long it plays."""
        return self.samples / self.sample_rate_hz


def require_all_heard(source: SourceAudio, report: EncodeReport, audio: DecodedAudio) -> None:
    """Compare the audio with the source, sample by sample where that is possible.

    Raises `UnreadableVideo` if nothing could be decoded, `TruncatedVideo` if less was than the
    packets carry, and `EngineFailure` if the MP3 is not what was decoded.
    """
    if report.decoded_samples == 0:
        raise UnreadableVideo
    tolerance = max(DECODED_TOLERANCE_SECONDS, DECODED_TOLERANCE_SHARE * source.carried_seconds)
    encoded_seconds = report.encoded_samples / audio.sample_rate_hz
    if encoded_seconds < source.carried_seconds - tolerance:
        raise TruncatedVideo
    if not report.encoded_samples == audio.samples == audio.tagged_samples:
        message = (
            f"encoded {report.encoded_samples}, tagged {audio.tagged_samples}, "
            f"decoded {audio.samples} samples"
        )
        raise EngineFailure(message)
    if report.decoded_rate_hz is None:
        return
    expected = report.decoded_samples * audio.sample_rate_hz / report.decoded_rate_hz
    if abs(expected - report.encoded_samples) > FRAME_SAMPLES:
        raise EngineFailure(f"expected {expected:.0f}, encoded {report.encoded_samples} samples")


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """Audio in the store."""

    audio_id: AudioId
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    """There is an MP3."""

    stored: StoredAudio
    seconds: float
    sample_rate_hz: int
    channels: int
    peak_dbfs: float
    engine: str
    end_time: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be none."""

    reason: FailureReason
    message: str
    end_time: datetime


Outcome = Succeeded | Failed
