"""What audio looks like, and how loud it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waveform:
    """The picture and the levels of some audio, in a few kilobytes whatever its length.

    `peaks` has two signed bytes for each stretch of `samples_per_pixel` samples, the lowest and the
    highest of all channels. Levels are decibels below full scale. `clipped_share` is the share of
    samples at full scale, from 0 to 1.
    """

    sample_rate_hz: int
    samples_per_pixel: int
    peaks: bytes
    peak_dbfs: float
    rms_dbfs: float
    clipped_share: float
