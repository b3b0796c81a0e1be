"""Which audio of a file is read, and what becomes of it on its way to an encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STEREO = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """One audio track, all of it unless cut, as it is unless changed.

    Samples from `start` on and before `end` are kept, counted at the source's rate. 0 leaves rate
    and channels as they are; `source_channels` is what the track has.
    """

    track: int = 0
    start: int = 0
    end: int | None = None
    gain_db: float = 0.0
    sample_rate_hz: int = 0
    channels: int = 0
    source_channels: int = 0

    def filters(self, rates: Sequence[int], sample_formats: str) -> str:
        """Write ffmpeg's filters, for an encoder that takes these rates and formats."""
        return ",".join(self._filters(rates, sample_formats))

    def _filters(self, rates: Sequence[int], sample_formats: str) -> Iterator[str]:
        if self.start or self.end is not None:
            until = "" if self.end is None else f":end_sample={self.end}"
            # Counted anew: some encoders would make silence of the time before it.
            yield f"atrim=start_sample={self.start}{until},asetpts=N/SR/TB"
        yield from self._mix()
        if self.sample_rate_hz:
            rates = (self.sample_rate_hz,)
            # Said in full, so that another ffmpeg's defaults change nothing.
            yield (
                f"aresample={self.sample_rate_hz}:resampler=swr:filter_size=64:phase_shift=10"
                ":linear_interp=0:exact_rational=1:cutoff=0.97"
            )
        if self.gain_db:
            yield f"volume=volume={self.gain_db:.6f}dB:precision=float"
        layouts = {0: "mono|stereo", 1: "mono"}.get(self.channels, "stereo")
        known = "|".join(map(str, rates))
        # ffmpeg takes the nearest of these.
        yield f"aformat=sample_fmts={sample_formats}:sample_rates={known}:channel_layouts={layouts}"

    def _mix(self) -> Iterator[str]:
        """Make one channel of two and back, never louder than either."""
        if self.channels == 1 and self.source_channels != 1:
            if self.source_channels != STEREO:
                yield "aformat=channel_layouts=stereo"
            yield "pan=mono|c0=0.5*c0+0.5*c1"
        elif self.channels == STEREO and self.source_channels == 1:
            yield "pan=stereo|c0=c0|c1=c0"
