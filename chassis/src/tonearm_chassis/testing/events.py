"""A bus that keeps what was sent."""

from __future__ import annotations

from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage


class InMemoryProducer:
    """An `EventProducer` that keeps (topic, envelope) pairs in `sent`."""

    def __init__(self) -> None:
        """Begin empty and working."""
        self.sent: list[tuple[str, Envelope]] = []
        self.away = False

    async def send(self, topic: str, envelope: Envelope) -> None:
        """Keep the event, or raise `Outage` while `away` is set."""
        if self.away:
            message = "bus: away"
            raise Outage(message)
        self.sent.append((topic, envelope))

    def types(self) -> list[str]:
        """Tell the short type of each event sent, in order."""
        return [envelope.type.rpartition(".")[2] for _, envelope in self.sent]
