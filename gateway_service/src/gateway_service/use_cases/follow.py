"""Keep conversions up to date: apply news, remind whoever is silent."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from gateway_service.domain import Change, Conversion, ConversionId, Retention
from gateway_service.ports import ConversionStore, Waker
from gateway_service.use_cases.wakeful import Alarm
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

SWEEP_SECONDS = 1.0
BATCH = 100
MAX_REMIND_SECONDS = 300.0


class ApplyChange:
    """Apply news of a conversion."""

    def __init__(
        self, conversions: ConversionStore, relay: Waker, clock: Clock, retention: Retention
    ) -> None:
        """Keep conversions in `conversions`, and the files of those that end for `retention`."""
        self._conversions = conversions
        self._relay = relay
        self._clock = clock
        self._retention = retention

    async def __call__(self, conversion_id: ConversionId, change: Change) -> None:
        """Apply `change` unless it is old news; a repeat changes nothing.

        News of a conversion that is not there is dropped: it was deleted.
        """
        while True:
            old = await self._conversions.find(conversion_id)
            if old is None:
                log.info("news_of_unknown_conversion", change=type(change).__name__)
                return
            new = old.after(change, self._clock.now())
            if new is None:
                return
            if new.is_final and not old.is_final:
                new = new.kept(self._retention)
            if await self._conversions.replace(old, new):
                break
        if new.is_final and not old.is_final:
            log.info("conversion_ended", state=new.state.value)
            self._relay.wake()


class Reminder:
    """A `Background` that asks again for whatever somebody else still owes.

    So a wiped broker, a lost message and a dead worker are the same case.
    """

    def __init__(
        self, conversions: ConversionStore, relay: Waker, clock: Clock, remind_seconds: float
    ) -> None:
        """Ask again after `remind_seconds` of silence, then after twice as long, and so on."""
        self._conversions = conversions
        self._relay = relay
        self._clock = clock
        self._remind_seconds = remind_seconds
        self._alarm = Alarm()

    async def run(self, stopping: asyncio.Event) -> None:
        """Look around every second until `stopping` is set."""
        while not stopping.is_set():
            try:
                while await self.sweep() and not stopping.is_set():
                    pass
            except Outage as error:
                log.warning("reminder_waits", cause=str(error))
            await self._alarm.wait(stopping, SWEEP_SECONDS)

    async def rush(self) -> None:
        """Ask at once for all that is owed: the broker has lost what was on its way."""
        await self._conversions.rush(self._clock.now())
        log.warning("everything_is_due")
        self._alarm.wake()

    async def sweep(self) -> int:
        """Remind a batch of what is due; tell how many that was."""
        now = self._clock.now()
        due = await self._conversions.silent(now, BATCH)
        await asyncio.gather(*(self._remind(each, now) for each in due))
        if due:
            self._relay.wake()
        return len(due)

    async def _remind(self, conversion: Conversion, now: datetime) -> None:
        pause = timedelta(seconds=self._pause(conversion))
        await self._conversions.remind(conversion, now, pause)
        log.info("conversion_reminded", conversion_id=conversion.id)

    def _pause(self, conversion: Conversion) -> float:
        # Doubling, so that a long queue is not swamped with repeats of its own requests.
        doubled = self._remind_seconds * 2.0 ** min(conversion.reminders + 1, 16)
        return min(doubled, MAX_REMIND_SECONDS)
