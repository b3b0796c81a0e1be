"""What runs beside the calls: forgetting what was remembered long enough."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from auth_service.use_cases import SweepRequests
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)


class RequestSweeper:
    """A `Background` that sweeps requests now and then."""

    def __init__(self, sweep: SweepRequests, *, every_seconds: float) -> None:
        """Sweep every so many seconds."""
        self._sweep = sweep
        self._every_seconds = every_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep until `stopping` is set; a store that is away is swept next time."""
        while not stopping.is_set():
            # First the pause: at the start the tables may not be there yet.
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._every_seconds)
                break
            try:
                await self._sweep()
            except Outage as outage:
                log.warning("sweep_waits", cause=str(outage))
