"""Progress over the bus."""

from __future__ import annotations

import asyncio

from converter_fakes import order

from converter_service.adapters.event_progress import EventProgressChannel
from converter_service.domain import Claim
from tonearm.events.v1 import events_pb2
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.events import InMemoryProducer

CLAIM = Claim(order(), fence=2, owner="me")


class SlowProducer(InMemoryProducer):
    """A bus that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def send(self, topic: str, envelope: Envelope) -> None:
        await self.go_on.wait()
        await super().send(topic, envelope)


async def test_progress_carries_the_fence() -> None:
    producer = InMemoryProducer()
    channel = EventProgressChannel(producer, FakeClock())

    channel.report(CLAIM, 0.25)
    await asyncio.sleep(0)

    ((topic, envelope),) = producer.sent
    message = envelope.open(events_pb2.ConversionProgressed)
    assert (topic, message.fence, message.progress) == ("tonearm.conversion-events.v1", 2, 0.25)


async def test_a_slow_bus_drops_progress_and_delays_nothing() -> None:
    producer = SlowProducer()
    channel = EventProgressChannel(producer, FakeClock())

    for share in (0.1, 0.2, 0.3):
        channel.report(CLAIM, share)
    producer.go_on.set()
    for _ in range(3):
        await asyncio.sleep(0)

    assert len(producer.sent) == 1


async def test_a_bus_that_is_away_is_no_error() -> None:
    producer = InMemoryProducer()
    producer.away = True
    channel = EventProgressChannel(producer, FakeClock())

    channel.report(CLAIM, 0.1)
    for _ in range(3):
        await asyncio.sleep(0)
    producer.away = False
    channel.report(CLAIM, 0.2)
    await asyncio.sleep(0)

    assert producer.types() == ["ConversionProgressed"]
