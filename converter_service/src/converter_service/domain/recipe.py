"""What becomes of a source: its options, and what the source makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from converter_service.domain.failures import (
    EngineFailure,
    NothingLeft,
    TruncatedVideo,
    UnreadableVideo,
)
from converter_service.domain.loudness import Measured
from converter_service.domain.options import Copying, Format, Options
from converter_service.domain.sound import FRAME_SAMPLES, DecodedAudio, EncodeReport
from converter_service.domain.sources import Source, Track

# Elsewhere edit lists and the like say which samples are heard, and a copy would not know of them.
COPIED_FROM = frozenset(("mp3", "avi", "flv"))
# What LAME's V2, the default, makes of music; of speech it makes about half.
VARIABLE_KBPS = 190
PCM_RATE_HZ, PCM_CHANNELS, PCM_BITS = 48_000, 2, 16
NANOSECONDS = 1_000_000_000
# Packets may claim more than they decode to: priming, preroll, a damaged frame or two.
DECODED_TOLERANCE_SECONDS = 0.5
DECODED_TOLERANCE_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class Recipe:
    """Options for a source. Samples from `start` on and before `end` (None: all) are kept.

    They are counted from the first one of the chosen track, at its own rate. `measured` is set once
    the loudness that was asked for has been compared with the one that there is.
    """

    options: Options
    source: Source
    start: int = 0
    end: int | None = None
    measured: Measured | None = None

    @classmethod
    def of(cls, options: Options, source: Source) -> Recipe:
        """Choose the track and find the samples.

        Raises `NoAudio`, `NoSuchTrack` and `NothingLeft`, and `UnreadableVideo` if it must be cut
        and does not tell its sample rate.
        """
        source = replace(source, chosen=source.find(options.track))
        rate, trim = source.track.sample_rate_hz, options.trim
        start = _sample(trim.start_ns, trim.start_sample, rate) or 0
        end = _sample(trim.end_ns, trim.end_sample, rate)
        recipe = cls(options, source, start, end)
        if recipe.is_trimmed and not rate:
            raise UnreadableVideo
        if recipe.is_trimmed and recipe.seconds <= 0:
            raise NothingLeft
        return recipe

    @property
    def gain_db(self) -> float:
        """Tell by how much it becomes louder."""
        return self.measured.gain_db if self.measured else 0.0

    @property
    def track(self) -> Track:
        """Give the chosen track."""
        return self.source.track

    @property
    def is_trimmed(self) -> bool:
        """Tell whether not all of the track is wanted."""
        return self.start > 0 or self.end is not None

    @property
    def may_be_copied(self) -> bool:
        """Tell whether the track as it is may be what was asked for; its frames will tell."""
        options, track = self.options, self.track
        return (
            options.copying is Copying.AUTO
            and options.format is Format.MP3
            and options.vbr_quality is None
            and options.loudness is None
            and not self.is_trimmed
            and track.audio.container in COPIED_FROM
            and track.audio.codec in ("mp3", "mp3float")
            and options.sample_rate_hz in (0, track.sample_rate_hz)
            and options.channels in (0, track.channels)
        )

    @property
    def expected_kbps(self) -> float:
        """Guess the average bit rate; of what is lossless, take that of its samples."""
        options, track = self.options, self.track
        if options.settled_kbps:
            return options.settled_kbps
        if options.format is Format.MP3:
            return VARIABLE_KBPS
        rate = options.sample_rate_hz or track.sample_rate_hz or PCM_RATE_HZ
        return rate * (options.channels or PCM_CHANNELS) * max(track.bits, PCM_BITS) / 1000

    @property
    def skipped_seconds(self) -> float:
        """Tell how much is decoded for nothing before the first sample that is kept."""
        return self.start / self.track.sample_rate_hz if self.start else 0.0

    @property
    def seconds(self) -> float:
        """Tell how much there is to encode, by what the container says."""
        return self._kept_seconds(self.track.audio.expected_seconds)

    def require_all_heard(self, report: EncodeReport, audio: DecodedAudio) -> None:
        """Compare the audio with the source, sample by sample where that is possible.

        Raises `UnreadableVideo` if nothing could be decoded, or not to the samples that the trim
        counts; `TruncatedVideo` if less was decoded than the packets carry; `NothingLeft` if the
        trim left nothing; and `EngineFailure` if the file is not what was decoded.
        """
        if report.decoded_samples == 0:
            raise UnreadableVideo
        if self.is_trimmed and report.decoded_rate_hz != self.track.sample_rate_hz:
            raise UnreadableVideo
        kept = min(report.decoded_samples, self.end or report.decoded_samples) - self.start
        if kept <= 0:
            raise NothingLeft
        self._require_enough(report.encoded_samples / audio.sample_rate_hz)
        _require_same(report, audio)
        if report.decoded_rate_hz is None:
            return
        expected = kept * audio.sample_rate_hz / report.decoded_rate_hz
        if abs(expected - report.encoded_samples) > FRAME_SAMPLES:
            message = f"expected {expected:.0f}, encoded {report.encoded_samples} samples"
            raise EngineFailure(message)

    def _require_enough(self, encoded_seconds: float) -> None:
        carried = self.track.audio.carried_seconds
        tolerance = max(DECODED_TOLERANCE_SECONDS, DECODED_TOLERANCE_SHARE * carried)
        if encoded_seconds < self._kept_seconds(carried) - tolerance:
            raise TruncatedVideo

    def _kept_seconds(self, all_seconds: float) -> float:
        if not self.is_trimmed:
            return all_seconds
        rate = self.track.sample_rate_hz
        end = all_seconds if self.end is None else min(all_seconds, self.end / rate)
        return end - self.start / rate


def _require_same(report: EncodeReport, audio: DecodedAudio) -> None:
    tagged = audio.samples if audio.tagged_samples is None else audio.tagged_samples
    if not report.encoded_samples == audio.samples == tagged:
        message = (
            f"encoded {report.encoded_samples}, tagged {audio.tagged_samples}, "
            f"decoded {audio.samples} samples"
        )
        raise EngineFailure(message)


def _sample(nanoseconds: int | None, sample: int | None, rate: int) -> int | None:
    """Find the sample nearest to a time."""
    if nanoseconds is None:
        return sample
    return (nanoseconds * rate + NANOSECONDS // 2) // NANOSECONDS
