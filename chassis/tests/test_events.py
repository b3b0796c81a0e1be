"""The event bus, in memory and on Kafka: one contract for every `EventProducer`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from chassis_kafka import Received, bus_on, event
from prometheus_client import REGISTRY

from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventProducer
from tonearm_chassis.kafka_producer import KafkaEventProducer
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.testing.events import InMemoryProducer


@dataclass(frozen=True, slots=True)
class Line:
    """A producer, and what comes out at the other end."""

    producer: EventProducer
    topic: str
    received: Received


class Telling(InMemoryProducer):
    """The producer in memory, with somebody at the other end."""

    def __init__(self, received: Received) -> None:
        super().__init__()
        self._received = received

    async def send(self, topic: str, envelope: object) -> None:
        await super().send(topic, envelope)  # type: ignore[arg-type]  # the contract is checked
        await self._received(self.sent[-1][1])


@pytest.fixture(params=["memory", "kafka"])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    received = Received()
    if request.param == "memory":
        yield Line(Telling(received), "topic", received)
        return
    servers = request.getfixturevalue("embedded_broker")
    async with bus_on(KafkaAccess(servers, assignment="all", partitions=2)) as bus:
        await bus.producer.send(bus.letters, event("connects"))
        async with bus.consuming(received):
            yield Line(bus.producer, bus.topic, received)


async def test_an_event_arrives_as_it_was_sent(line: Line) -> None:
    sent = event("e-1")

    await line.producer.send(line.topic, sent)
    await line.received.until(1, seconds=5)

    assert line.received.envelopes == [sent]


async def test_events_of_one_key_arrive_in_order(line: Line) -> None:
    names = [f"e-{number}" for number in range(20)]

    for name in names:
        await line.producer.send(line.topic, event(name))
    await line.received.until(20, seconds=10)

    assert line.received.names == names


@pytest.fixture(params=["memory", "kafka"])
def lonely(request: pytest.FixtureRequest) -> EventProducer:
    """A producer whose bus is away."""
    if request.param == "memory":
        producer = InMemoryProducer()
        producer.away = True
        return producer
    return KafkaEventProducer(KafkaAccess("127.0.0.1:1", patience_seconds=1), ("topic",))


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # see `tidy`
@pytest.mark.usefixtures("tidy")
async def test_a_bus_that_is_away_is_an_outage(lonely: EventProducer) -> None:
    with pytest.raises(Outage):
        await lonely.send("topic", event("e-1"))


async def test_acknowledged_events_are_counted(embedded_broker: str) -> None:
    def count() -> float:
        labels = {"type": "tonearm.test.Happened"}
        return REGISTRY.get_sample_value("tonearm_events_published_total", labels) or 0.0

    before = count()
    async with bus_on(KafkaAccess(embedded_broker, partitions=1)) as bus:
        await bus.send("e-1", "e-2")

    assert count() - before == 2
