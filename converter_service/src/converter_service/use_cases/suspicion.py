"""Suspect the engine, and not the videos, when it fails with one after the other."""

from __future__ import annotations

from converter_service import metrics
from converter_service.domain import ConversionId, Setback, growing_seconds
from tonearm_chassis.clock import Clock
from tonearm_chassis.logs import get_log

log = get_log(__name__)

# So many different conversions in a row; what fails with only one or two is more likely theirs.
SUSPECT_AFTER = 3
FIRST_PROBE_SECONDS = 1.0
LONGEST_PROBE_SECONDS = 60.0


class Suspicion:
    """Whether the engine of this worker may be broken, by a bad deploy for example.

    While it may, failures do not count against conversions, and only one conversion at a time
    probes whether it works again.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin without one."""
        self._clock = clock
        self._failed: dict[ConversionId, None] = {}
        self._probes = 0
        self._rests_until = 0.0

    @property
    def is_raised(self) -> bool:
        """Tell whether the engine is suspected."""
        return len(self._failed) >= SUSPECT_AFTER

    def slots(self, slots: int) -> int:
        """Tell how many of this worker's slots may be taken now."""
        if not self.is_raised:
            return slots
        return int(self._clock.monotonic() >= self._rests_until)

    def has_failed(self, conversion_id: ConversionId) -> bool:
        """Tell whether the engine failed with it, which makes it a poor choice for a probe."""
        return conversion_id in self._failed

    def failed(self, conversion_id: ConversionId) -> Setback:
        """Note a failure of the engine; tell what to count it as.

        While the engine is suspected that is an outage: it ends as well, but hours later.
        """
        was_raised = self.is_raised
        self._failed[conversion_id] = None
        if not self.is_raised:
            return Setback.ENGINE_FAILED
        self._probes += 1
        self._rests_until = self._clock.monotonic() + growing_seconds(
            FIRST_PROBE_SECONDS, self._probes, LONGEST_PROBE_SECONDS
        )
        metrics.ENGINE_SUSPECTED.set(1)
        log.error("engine_suspected", conversions=len(self._failed), probes=self._probes)
        return Setback.OUTAGE if was_raised else Setback.ENGINE_FAILED

    def worked(self) -> None:
        """Note that the engine did all that it should."""
        if self.is_raised:
            log.info("engine_works", probes=self._probes)
        self._failed.clear()
        self._probes = 0
        metrics.ENGINE_SUSPECTED.set(0)
