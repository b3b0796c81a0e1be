"""Events from Kafka to use cases."""

from __future__ import annotations

from converter_service import wire
from converter_service.use_cases.desk import Desk
from tonearm.events.v1 import events_pb2
from tonearm_chassis.envelope import Envelope, MalformedEvent

REQUESTED = events_pb2.ConversionRequested.DESCRIPTOR.full_name
CANCELLED = events_pb2.ConversionCancelled.DESCRIPTOR.full_name


class ConversionRequests:
    """An `EventHandler` for tonearm.conversion-requests.v1.

    Returns once the order is durable in the claims, so a long conversion never holds a partition.
    """

    def __init__(self, desk: Desk) -> None:
        """Hand orders to `desk`."""
        self._desk = desk

    async def __call__(self, envelope: Envelope) -> None:
        """Apply an event; see `EventHandler`."""
        match envelope.type:
            case _ if envelope.type == REQUESTED:
                await self._desk.take(wire.order(envelope.open(events_pb2.ConversionRequested)))
            case _ if envelope.type == CANCELLED:
                message = envelope.open(events_pb2.ConversionCancelled)
                await self._desk.call_off(wire.cancelled_id(message))
            case _:
                raise MalformedEvent(envelope.type)
