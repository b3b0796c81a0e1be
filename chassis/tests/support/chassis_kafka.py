"""A bus on Kafka for tests: topics and a group of its own, and a handler that remembers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from tonearm_chassis.dead_letters import DeadLetters
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventHandler
from tonearm_chassis.kafka_consumer import KafkaEventConsumer
from tonearm_chassis.kafka_producer import KafkaEventProducer
from tonearm_chassis.kafka_recovery import Hook
from tonearm_chassis.kafka_settings import KafkaAccess

ASSIGNED_SECONDS = 40.0
STOPPED_SECONDS = 8.0


def event(name: str, key: str = "k") -> Envelope:
    """An event with a name to know it by."""
    return Envelope(
        type="tonearm.test.Happened",
        key=key,
        payload=name.encode(),
        source="/tonearm/test",
        time=datetime.now(UTC),
        id=name,
    )


class Received:
    """A handler that keeps the names of what it was given."""

    def __init__(self) -> None:
        """Begin empty."""
        self.envelopes: list[Envelope] = []
        self._more = asyncio.Condition()

    async def __call__(self, envelope: Envelope) -> None:
        """Keep it."""
        async with self._more:
            self.envelopes.append(envelope)
            self._more.notify_all()

    @property
    def names(self) -> list[str]:
        """The names of the events, in order of arrival."""
        return [envelope.id for envelope in self.envelopes]

    async def until(self, count: int, seconds: float) -> None:
        """Wait until there are so many."""
        async with asyncio.timeout(seconds), self._more:
            await self._more.wait_for(lambda: len(self.envelopes) >= count)

    async def until_all(self, names: Collection[str], seconds: float) -> None:
        """Wait until it was given all these."""
        async with asyncio.timeout(seconds), self._more:
            await self._more.wait_for(lambda: {*self.names} >= {*names})


@dataclass(frozen=True, slots=True)
class Bus:
    """Topics of one test's own, a producer for them, and consumers of them."""

    access: KafkaAccess
    name: str = field(default_factory=lambda: f"test-{uuid4().hex[:8]}")
    producers: list[KafkaEventProducer] = field(default_factory=list)

    @property
    def topic(self) -> str:
        """Where events go."""
        return f"{self.name}.events"

    @property
    def letters(self) -> str:
        """Where dead letters go."""
        return f"{self.name}.dead-letters"

    @property
    def producer(self) -> KafkaEventProducer:
        """The producer; the same one every time."""
        if not self.producers:
            self.producers.append(KafkaEventProducer(self.access, (self.topic, self.letters)))
        return self.producers[0]

    async def send(self, *names: str, key: str = "k") -> None:
        """Send events, one after the other."""
        for name in names:
            await self.producer.send(self.topic, event(name, key))

    async def send_until_taken(self, name: str) -> None:
        """Send an event as the relay does: again and again while Kafka is away."""
        while True:
            try:
                await self.send(name)
            except Outage:
                await asyncio.sleep(0.2)
            else:
                return

    def consumer(
        self,
        handler: EventHandler,
        *,
        topic: str = "",
        group: str = "",
        on_replaced: Hook | None = None,
        also_watched: tuple[str, ...] = (),
    ) -> KafkaEventConsumer:
        """Make a consumer that is not running yet."""
        return KafkaEventConsumer(
            self.access,
            group=group or f"{self.name}-group",
            topics=(topic or self.topic,),
            handler=handler,
            dead_letters=DeadLetters(self.producer, topic=self.letters, source="/tonearm/test"),
            on_replaced=on_replaced,
            also_watched=also_watched,
        )

    @asynccontextmanager
    async def consuming(
        self, handler: EventHandler, *, topic: str = "", group: str = ""
    ) -> AsyncIterator[KafkaEventConsumer]:
        """Run a consumer from its assignment to a clean stop."""
        consumer = self.consumer(handler, topic=topic, group=group)
        stopping = asyncio.Event()
        running = asyncio.create_task(consumer.run(stopping))
        try:
            async with asyncio.timeout(ASSIGNED_SECONDS):
                await consumer.assigned.wait()
            yield consumer
            stopping.set()
            async with asyncio.timeout(STOPPED_SECONDS):
                await running
        finally:
            running.cancel()
            await asyncio.wait([running])


@asynccontextmanager
async def bus_on(access: KafkaAccess) -> AsyncIterator[Bus]:
    """A bus whose producer is closed at last."""
    bus = Bus(access)
    try:
        yield bus
    finally:
        await bus.producer.close()
