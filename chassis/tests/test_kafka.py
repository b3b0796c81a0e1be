"""Events over Kafka: the embedded broker always, Apache Kafka where there is one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
from chassis_kafka import STOPPED_SECONDS, Bus, Received, bus_on, event
from kafka import KafkaProducer
from prometheus_client import REGISTRY

from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import UnsendableEvent
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.kafka_topics import ensure_topics, topic_ids

SLOW_SECONDS = 3.0


@pytest.fixture
async def bus(kafka: KafkaAccess) -> AsyncIterator[Bus]:
    async with bus_on(kafka) as bus:
        yield bus


async def test_an_event_is_picked_up_within_a_second(bus: Bus) -> None:
    received = Received()
    await bus.producer.send(bus.letters, event("connects"))
    async with bus.consuming(received):
        for number in range(3):
            await asyncio.sleep(0.3)  # the consumer is idle by then
            started = time.monotonic()
            await bus.send(f"e-{number}")
            await received.until(number + 1, seconds=5)

            assert time.monotonic() - started < 1


async def test_a_service_that_comes_back_goes_on_where_it_was(bus: Bus) -> None:
    first, second = Received(), Received()
    await bus.send("e-1", "e-2")
    async with bus.consuming(first):
        await first.until(2, seconds=5)
    await bus.send("e-3")

    async with bus.consuming(second):
        await second.until(1, seconds=5)

    assert (first.names, second.names) == (["e-1", "e-2"], ["e-3"])


async def test_every_group_gets_every_event(bus: Bus) -> None:
    one, other = Received(), Received()
    await bus.send("e-1")

    async with bus.consuming(one, group=f"{bus.name}-1"):
        await one.until(1, seconds=5)
    async with bus.consuming(other, group=f"{bus.name}-2"):
        await other.until(1, seconds=5)

    assert one.names == other.names == ["e-1"]


async def test_a_slow_handler_loses_nothing_and_repeats_nothing(bus: Bus) -> None:
    received = Received()

    async def slow(envelope: Envelope) -> None:
        await received(envelope)
        if envelope.id == "slow":
            await asyncio.sleep(SLOW_SECONDS)  # the slowness under test

    async with bus.consuming(slow):
        await bus.send("slow", key="a")
        for number in range(6):
            await bus.send(f"e-{number}", key=f"{number}")
        await received.until(7, seconds=SLOW_SECONDS + 5)
        await asyncio.sleep(0.5)  # a repeat would come by then

    assert received.names[0] == "slow"
    assert sorted(received.names[1:]) == [f"e-{number}" for number in range(6)]


async def test_an_event_that_keeps_failing_is_set_aside_and_the_next_one_is_taken(
    bus: Bus,
) -> None:
    tries: list[str] = []
    received, letters = Received(), Received()

    async def handler(envelope: Envelope) -> None:
        tries.append(envelope.id)
        if envelope.id == "poison":
            raise LookupError("no such video")
        await received(envelope)

    async with bus.consuming(handler):
        await bus.send("poison", "good")
        await received.until(1, seconds=10)
    async with bus.consuming(letters, topic=bus.letters):
        await letters.until(1, seconds=5)

    assert tries == ["poison"] * 3 + ["good"]
    (letter,) = letters.envelopes
    about = dict(letter.extensions)
    assert (letter.type, letter.key, letter.payload) == ("tonearm.dead-letter", "k", b"poison")
    assert about["reason"] == "LookupError('no such video')"
    assert about["origintopic"] == bus.topic
    assert json.loads(about["originheaders"])["ce_id"] == "poison"


async def test_a_malformed_event_is_set_aside_at_once(bus: Bus) -> None:
    tries: list[str] = []
    letters = Received()

    async def handler(envelope: Envelope) -> None:
        tries.append(envelope.id)
        raise MalformedEvent(envelope.type)

    async with bus.consuming(handler), bus.consuming(letters, topic=bus.letters, group=bus.name):
        await bus.send("malformed")
        await letters.until(1, seconds=10)

    assert tries == ["malformed"]


async def test_a_record_that_is_no_event_is_set_aside_at_once(bus: Bus) -> None:
    received, letters = Received(), Received()
    ensure_topics(bus.access, [bus.topic])
    stranger = KafkaProducer(**bus.access.client_options())
    stranger.send(bus.topic, value=b"\xff{}", headers=[("x", b"\xff")]).get(timeout=5)
    stranger.close(timeout=5)

    async with (
        bus.consuming(received),
        bus.consuming(letters, topic=bus.letters, group=bus.name),
    ):
        await bus.send("good")
        await received.until(1, seconds=10)
        await letters.until(1, seconds=10)

    assert received.names == ["good"]
    assert letters.envelopes[0].payload == b"\xff{}"


async def test_an_outage_is_waited_out_and_the_event_is_applied_once(bus: Bus) -> None:
    def count(result: str) -> float:
        labels = {"type": "tonearm.test.Happened", "result": result}
        return REGISTRY.get_sample_value("tonearm_events_consumed_total", labels) or 0.0

    tries = 0
    received = Received()
    before = count("retried"), count("applied"), count("dead_lettered")

    async def handler(envelope: Envelope) -> None:
        nonlocal tries
        tries += 1
        if tries < 5:
            raise Outage("mongodb: away")
        await received(envelope)

    async with bus.consuming(handler):
        await bus.send("e-1")
        await received.until(1, seconds=15)

    assert (tries, received.names) == (5, ["e-1"])
    after = count("retried"), count("applied"), count("dead_lettered")
    assert [new - old for new, old in zip(after, before, strict=True)] == [4, 1, 0]


async def test_a_handler_that_cancels_itself_does_not_stop_the_consumer(bus: Bus) -> None:
    received = Received()

    async def handler(envelope: Envelope) -> None:
        if envelope.id == "strange":
            raise asyncio.CancelledError
        await received(envelope)

    async with bus.consuming(handler):
        await bus.send("strange", "good")
        await received.until(1, seconds=10)

    assert received.names == ["good"]


async def test_told_to_stop_a_consumer_finishes_what_is_under_way(bus: Bus) -> None:
    finished, again, begun = Received(), Received(), asyncio.Event()

    async def handler(envelope: Envelope) -> None:
        begun.set()
        await asyncio.sleep(1)  # still at work when told to stop
        await finished(envelope)

    async with bus.consuming(handler):
        await bus.send("e-1", "e-2")
        await begun.wait()
    async with bus.consuming(again):
        await again.until(1, seconds=5)

    assert (finished.names, again.names) == (["e-1"], ["e-2"])


async def test_cancelled_a_consumer_returns_soon_and_the_event_comes_again(bus: Bus) -> None:
    begun, ended, again = asyncio.Event(), asyncio.Event(), Received()

    async def endless(envelope: Envelope) -> None:
        begun.set()
        assert envelope.id == "e-1"
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    consumer = bus.consumer(endless)
    running = asyncio.create_task(consumer.run(asyncio.Event()))
    await bus.send("e-1")
    async with asyncio.timeout(STOPPED_SECONDS * 5):
        await begun.wait()
    started = time.monotonic()
    running.cancel()
    await asyncio.wait([running])
    seconds = time.monotonic() - started
    async with bus.consuming(again):
        await again.until(1, seconds=15)

    assert running.cancelled()
    assert ended.is_set()
    assert seconds < 4
    assert again.names == ["e-1"]


async def test_many_senders_at_once_lose_nothing(bus: Bus) -> None:
    received = Received()
    names = [f"e-{number}" for number in range(100)]

    async with bus.consuming(received):
        await asyncio.gather(*(bus.send(name, key=name) for name in names))
        await received.until(100, seconds=15)

    assert sorted(received.names) == sorted(names)


async def test_an_event_that_is_too_large_is_no_outage(bus: Bus) -> None:
    await bus.send("small")
    huge = Envelope(type="t", key="k", payload=bytes(2 << 20), source="/s", time=event("").time)

    with pytest.raises(UnsendableEvent):
        await bus.producer.send(bus.topic, huge)

    await bus.send("small")


async def test_topics_are_created_once_and_keep_their_ids(bus: Bus) -> None:
    created = ensure_topics(bus.access, [bus.topic, bus.letters])

    assert ensure_topics(bus.access, [bus.letters, bus.topic]) == created
    assert topic_ids(bus.access, [bus.topic, "tonearm.never-made"]) == {
        bus.topic: created[bus.topic]
    }
