"""Send progress as events, as far as the bus keeps up."""

from __future__ import annotations

import asyncio

from converter_service import wire
from converter_service.domain import Claim, ConversionId
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventProducer
from tonearm_chassis.logs import get_log

log = get_log(__name__)


class EventProgressChannel:
    """A `ProgressChannel` over the bus: at most one event of a conversion is under way."""

    def __init__(self, producer: EventProducer, clock: Clock) -> None:
        """Send through `producer`."""
        self._producer = producer
        self._clock = clock
        self._sending: dict[ConversionId, asyncio.Task[None]] = {}

    def report(self, claim: Claim, share: float) -> None:
        """Send in the background, or drop it if the one before is still under way."""
        conversion_id = claim.order.conversion_id
        if conversion_id in self._sending:
            return
        task = asyncio.create_task(self._send(claim, share))
        self._sending[conversion_id] = task
        task.add_done_callback(lambda _: self._sending.pop(conversion_id))

    async def _send(self, claim: Claim, share: float) -> None:
        try:
            event = wire.progressed(claim, share, self._clock.now())
            await self._producer.send(wire.EVENTS_TOPIC, event)
        except Outage as outage:
            log.info("progress_dropped", cause=str(outage))
