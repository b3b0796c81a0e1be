"""Tell the store's time, so that instances whose clocks disagree agree on what is due."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from pymongo.asynchronous.database import AsyncDatabase

from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log
from tonearm_chassis.mongo import Document, outages, server_time

log = get_log(__name__)

MEASURE_SECONDS = 10.0
LARGE_SECONDS = 2.0
SLOW_SECONDS = 2.0


class StoreClock:
    """A `Clock` that runs as far ahead of, or behind, this machine's as MongoDB's does.

    Let `measure` be a step of the preparation. A `Background`: it measures again now and then, so
    that a clock that is set while the service runs misleads it for ten seconds at most.
    """

    def __init__(self, database: AsyncDatabase[Document], machine: Clock) -> None:
        """Correct `machine` by the time of the server of `database`."""
        self._database = database
        self._machine = machine
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """Tell the store's time of day, in UTC."""
        return self._machine.now() + self._ahead

    def monotonic(self) -> float:
        """Tell seconds since some fixed moment."""
        return self._machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""
        await self._machine.sleep(seconds)

    async def measure(self) -> None:
        """Compare the clocks. Raises `Outage`, also if the answer took too long to be of use."""
        asked, begin = self._machine.now(), self._machine.monotonic()
        with outages():
            told = await server_time(self._database)
        answered = self._machine.now()
        if self._machine.monotonic() - begin > SLOW_SECONDS:
            # A process that stood still in between would be wrong by half of that time.
            raise Outage("mongodb: too slow to tell the time")
        # The server looked at its clock somewhere in between.
        ahead = told - (asked + (answered - asked) / 2)
        if abs(ahead - self._ahead) > timedelta(seconds=LARGE_SECONDS):
            log.warning("clocks_disagree", seconds=ahead.total_seconds())
        self._ahead = _milliseconds(ahead)

    async def run(self, stopping: asyncio.Event) -> None:
        """Measure every ten seconds until `stopping` is set; an outage leaves it as it was."""
        while not stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), MEASURE_SECONDS)
            with suppress(Outage):
                await self.measure()


def _milliseconds(duration: timedelta) -> timedelta:
    # MongoDB keeps no more of a time: what is written must be what is read.
    return timedelta(milliseconds=round(duration / timedelta(milliseconds=1)))
