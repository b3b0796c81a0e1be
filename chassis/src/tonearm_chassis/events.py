"""What services know of the event bus, whatever it is made of."""

from __future__ import annotations

from typing import Protocol

from tonearm_chassis.envelope import Envelope


class UnsendableEvent(Exception):
    """An event that the bus will never take: too large, or for a topic that cannot be."""


class EventProducer(Protocol):
    """Where events go."""

    async def send(self, topic: str, envelope: Envelope) -> None:
        """Send an event and wait until the bus has it for good.

        Raises `Outage` if it did not within its delivery timeout; the event may have arrived all
        the same, so a repeat can make a duplicate. Raises `UnsendableEvent` if a repeat is vain.
        """
        ...


class EventHandler(Protocol):
    """What a service does with an event."""

    async def __call__(self, envelope: Envelope) -> None:
        """Apply the event; a repeat must change nothing.

        When it returns, the event is done and will not come again. `Outage` makes it come again
        after a pause. `MalformedEvent`, or any other exception three times, sends it to the dead
        letters.
        """
        ...
