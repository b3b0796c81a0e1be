"""Audio as it was found, encoded, and decoded again."""

from __future__ import annotations

from dataclasses import dataclass

from converter_service.domain.failures import TruncatedVideo
from converter_service.domain.waveform import Waveform

# What a file that is whole may fall short of what it declares: players' and muxers' rounding,
# encoder delay counted or not. The largest seen on whole files of 30 kinds is 0.03 s.
WHOLE_TOLERANCE_SECONDS = 0.5
# The same when the file is known to lack bytes: half of the shortest common audio frame (1,024
# samples at 48 kHz last 0.021 s), so that one lost frame counts, and more than Matroska's tags
# are off on whole files (0.008 s).
CUT_TOLERANCE_SECONDS = 0.01
# Their headers count samples or frames, so that what they declare is exact.
EXACT_CONTAINERS = frozenset(("flac", "mp3"))
# Samples of an MPEG-1 layer III frame; MPEG-2 frames have half of it.
FRAME_SAMPLES = 1152

# Digital silence has no level; programs want a number, people a bottom.
SILENCE_DBFS = -120.0


@dataclass(frozen=True, slots=True)
class SourceAudio:
    """What a look at the container tells about an audio track.

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
    packets: int = 1

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
    nothing about time. Of a copy nothing was decoded: its samples are what its frames hold.
    """

    decoded_samples: int
    decoded_rate_hz: int | None
    encoded_samples: int
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """Audio after it was decoded from end to end.

    `samples` were counted; `tagged_samples` is what the file tells players, by the LAME tag of an
    MP3 or what others have in its place, None if it does not count in samples.
    """

    samples: int
    tagged_samples: int | None
    sample_rate_hz: int
    channels: int
    peak_dbfs: float
    waveform: Waveform | None = None

    @property
    def seconds(self) -> float:
        """Tell how long it plays."""
        return self.samples / self.sample_rate_hz
