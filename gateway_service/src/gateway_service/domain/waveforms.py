"""What an MP3 looks like, and how loud it is; made by the converter, kept with the MP3."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waveform:
    """The picture and the levels of an MP3.

    `peaks` has two signed bytes for each stretch of `samples_per_pixel` samples, the lowest and the
    highest of all channels. Levels are decibels below full scale; `clipped_share` is the share of
    samples at full scale.
    """

    sample_rate_hz: int
    samples_per_pixel: int
    peaks: bytes
    peak_dbfs: float
    rms_dbfs: float
    clipped_share: float

    @property
    def values(self) -> list[int]:
        """Give lowest and highest in turn, each from -128 to 127."""
        return memoryview(self.peaks).cast("b").tolist()
