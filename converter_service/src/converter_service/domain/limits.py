"""How much audio a video may turn into; what is more is refused before anything is encoded."""

from __future__ import annotations

from dataclasses import dataclass

from converter_service.domain.failures import AudioTooLarge, OutOfProportion, VideoTooLong
from converter_service.domain.sound import SourceAudio

# A short recording of a few kilobytes may well become large: whoever sends it gains nothing.
ALWAYS_IN_PROPORTION_BYTES = 32 * 1024**2


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """The longest audio, the largest result, and how many times the upload that may be.

    The slowest codec that people record with (AMR, 4.75 kbit/s) becomes 40 times as large at
    190 kbit/s; silence in AAC 50 times, in FLAC 137 times and more.
    """

    longest_seconds: float = 24 * 3600.0
    most_audio_bytes: int = 4 * 1024**3
    most_expansion: float = 48.0

    def require_within(
        self,
        source: SourceAudio,
        *,
        video_bytes: int,
        bitrate_kbps: float,
        kept_seconds: float | None = None,
    ) -> None:
        """Raise `VideoTooLong`, `AudioTooLarge` or `OutOfProportion`.

        Believes the greatest of what the file declares and what its packets carry: neither a lie
        in the header nor one in the packets makes it shorter. A trim leaves `kept_seconds` of it
        for the result.
        """
        seconds = max(
            source.declared_seconds or 0.0, source.reached_seconds, source.carried_seconds
        )
        if seconds > self.longest_seconds:
            raise VideoTooLong
        kept = seconds if kept_seconds is None else kept_seconds
        expected_bytes = kept * bitrate_kbps * 1000 / 8
        if expected_bytes > self.most_audio_bytes:
            raise AudioTooLarge
        if expected_bytes > max(ALWAYS_IN_PROPORTION_BYTES, self.most_expansion * video_bytes):
            raise OutOfProportion
