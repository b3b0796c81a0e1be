"""Apply news that arrives over Kafka."""

from __future__ import annotations

from gateway_service import wire
from gateway_service.use_cases.follow import ApplyChange
from tonearm_chassis.envelope import Envelope


class NewsWorker:
    """An `EventHandler` for the topic of conversion events."""

    def __init__(self, apply: ApplyChange) -> None:
        """Apply with this use case."""
        self._apply = apply

    async def __call__(self, envelope: Envelope) -> None:
        """Apply one event; a repeat changes nothing."""
        conversion_id, change = wire.change_of(envelope)
        await self._apply(conversion_id, change)
