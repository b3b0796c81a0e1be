"""Events from Kafka to use cases, and what they and the store give to do."""

from __future__ import annotations

import asyncio

from converter_service import wire
from converter_service.domain import Ending
from converter_service.use_cases.call_off import CallOff
from converter_service.use_cases.desk import Desk
from tonearm.events.v1 import events_pb2
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.outbox import Relay

LAST_RELAY_SECONDS = 5.0

REQUESTED = events_pb2.ConversionRequested.DESCRIPTOR.full_name
CANCELLED = events_pb2.ConversionCancelled.DESCRIPTOR.full_name
DELETED = events_pb2.ConversionDeleted.DESCRIPTOR.full_name


class ConversionRequests:
    """An `EventHandler` for tonearm.conversion-requests.v1.

    Returns once the order, or its end, is durable in the claims, so a long conversion never holds
    a partition.
    """

    def __init__(self, desk: Desk, call_off: CallOff) -> None:
        """Hand orders to `desk`, and their ends to `call_off`."""
        self._desk = desk
        self._call_off = call_off

    async def __call__(self, envelope: Envelope) -> None:
        """Apply an event; see `EventHandler`."""
        match envelope.type:
            case _ if envelope.type == REQUESTED:
                await self._desk.take(wire.order(envelope.open(events_pb2.ConversionRequested)))
            case _ if envelope.type == CANCELLED:
                cancelled = envelope.open(events_pb2.ConversionCancelled)
                await self._call_off(wire.called_off_id(cancelled), Ending.CANCELLED)
            case _ if envelope.type == DELETED:
                deleted = envelope.open(events_pb2.ConversionDeleted)
                await self._call_off(wire.called_off_id(deleted), Ending.DELETED)
            case _:
                raise MalformedEvent(envelope.type)


class Conversions:
    """A `Background`: the desk and the relay, which ends after it, not with it.

    Outcomes that are reached during the drain are so published before the service ends.
    """

    def __init__(self, desk: Desk, relay: Relay) -> None:
        """Run `desk` and `relay`."""
        self._desk = desk
        self._relay = relay

    async def run(self, stopping: asyncio.Event) -> None:
        """Convert until told to stop. Raises what either of them fails with, and ends the other."""
        is_idle = asyncio.Event()
        relaying = asyncio.create_task(self._relay.run(is_idle))
        converting = asyncio.create_task(self._desk.run(stopping))
        try:
            # Without the relay the outcomes would be stored, and nobody would hear of them.
            await asyncio.wait([converting, relaying], return_when=asyncio.FIRST_COMPLETED)
            if relaying.done():
                await relaying
            await converting
        finally:
            converting.cancel()
            await asyncio.wait([converting])
            is_idle.set()
            self._relay.wake()
            await asyncio.wait([relaying], timeout=LAST_RELAY_SECONDS)
            relaying.cancel()
        if relaying.done():
            await relaying
