"""How loud audio is, and by how much it has to change (EBU R128, EBU Tech 3341)."""

from __future__ import annotations

from dataclasses import dataclass

from converter_service.domain.options import Loudness

SILENT_LUFS = -70.0
"""Nothing below is counted (ITU-R BS.1770), so that audio without more has no loudness."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured before anything was changed, and the gain that followed."""

    integrated_lufs: float
    range_lu: float
    true_peak_dbtp: float
    gain_db: float = 0.0


def gain_for(wanted: Loudness, measured: Measured) -> float:
    """Give the gain in dB: the target's, or less if peaks would pass their limit.

    Silence stays as it is.
    """
    if measured.integrated_lufs <= SILENT_LUFS:
        return 0.0
    gain = wanted.target_lufs - measured.integrated_lufs
    return round(min(gain, wanted.true_peak_dbtp - measured.true_peak_dbtp), 2)
