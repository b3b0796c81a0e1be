"""Records that nobody can apply, on the embedded broker and on Apache Kafka: none stops a topic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from chassis_kafka import Bus, Received, bus_on, event
from google.protobuf.wrappers_pb2 import StringValue
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from tonearm_chassis.envelope import Envelope, Headers
from tonearm_chassis.events import UnsendableEvent
from tonearm_chassis.kafka_clients import open_client
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.kafka_topics import ensure_topics

HUGE = 5 * 1024 * 1024
GOOD: Headers = event("poison").headers()


def without(name: str) -> Headers:
    """Give the headers of an event, but for one."""
    return [pair for pair in GOOD if pair[0] != name]


def changed(name: str, text: bytes) -> Headers:
    """Give the headers of an event, one of them other than it should be."""
    return [*without(name), (name, text)]


POISONS: dict[str, tuple[bytes | None, bytes | None, Headers]] = {
    "no headers": (b"k", b"\xff{}", []),
    "no value": (b"k", None, []),
    "no key": (None, b"x", without("ce_id")),
    "no type": (b"k", b"x", without("ce_type")),
    "no id": (b"k", b"x", without("ce_id")),
    "a time that is none": (b"k", b"x", changed("ce_time", b"yesterday")),
    "another format": (b"k", b"{}", changed("content-type", b"application/json")),
    "another version": (b"k", b"x", changed("ce_specversion", b"0.3")),
    "a header that is no text": (b"k", b"x", changed("ce_type", b"\xff\xfe")),
    "a key that is no text": (b"\xff", b"x", GOOD),
    "a value that is no message": (b"k", b"\xff\xff\xff", GOOD),
    "a value without end": (b"k", b"\x0a\xff\xff\xff\xff\x0f", GOOD),
}


@pytest.fixture
async def bus(kafka: KafkaAccess) -> AsyncIterator[Bus]:
    async with bus_on(kafka) as bus:
        yield bus


def put(bus: Bus, key: bytes | None, value: bytes | None, headers: Headers) -> None:
    """Write a record past all that a producer of ours sees to."""
    with closing(
        open_client(KafkaProducer, bus.access, max_request_size=2 * HUGE, acks="all")
    ) as stranger:
        stranger.send(bus.topic, key=key, value=value, headers=headers).get(timeout=10)


class Strict(Received):
    """A handler that opens what it is given, as the services do."""

    async def __call__(self, envelope: Envelope) -> None:
        if envelope.id == "poison":
            Envelope.open(event_of_text(envelope), StringValue)
        await super().__call__(envelope)


def event_of_text(envelope: Envelope) -> Envelope:
    """Give the event the type of a message that this test can open."""
    return Envelope(
        type=StringValue.DESCRIPTOR.full_name,
        key=envelope.key,
        payload=envelope.payload,
        source=envelope.source,
        time=envelope.time,
    )


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS.keys())
async def test_poison_ends_in_the_dead_letters_and_the_next_event_is_applied(
    bus: Bus, poison: tuple[bytes | None, bytes | None, Headers]
) -> None:
    received, letters = Strict(), Received()
    ensure_topics(bus.access, [bus.topic])
    key, value, headers = poison
    await asyncio.to_thread(put, bus, key, value, headers)

    async with (
        bus.consuming(received),
        bus.consuming(letters, topic=bus.letters, group=bus.name),
    ):
        for number in range(4):  # one for each partition, as near as may be
            await bus.send(f"good-{number}", key=f"{number}")
        await received.until(4, seconds=15)
        await letters.until(1, seconds=15)

    assert sorted(received.names) == [f"good-{number}" for number in range(4)]
    (letter,) = letters.envelopes
    assert letter.payload == (value or b"")
    assert dict(letter.extensions)["origintopic"] == bus.topic


async def test_a_value_of_5_mb_is_refused_before_it_is_sent(bus: Bus) -> None:
    received = Received()
    huge = Envelope(type="t", key="k", payload=bytes(HUGE), source="/s", time=event("").time)

    async with bus.consuming(received):
        with pytest.raises(UnsendableEvent):
            await bus.producer.send(bus.topic, huge)
        await bus.send("good")
        await received.until(1, seconds=10)

    assert received.names == ["good"]


async def test_a_value_of_5_mb_that_a_topic_took_ends_in_a_short_letter(bus: Bus) -> None:
    received, letters = Strict(), Received()
    configuration = {"max.message.bytes": str(2 * HUGE)}
    with closing(open_client(KafkaAdminClient, bus.access)) as admin:
        admin.create_topics([NewTopic(bus.topic, 1, 1, topic_configs=configuration)])
    ensure_topics(bus.access, [bus.topic])
    await asyncio.to_thread(put, bus, b"k", b"\xff" * HUGE, GOOD)

    async with (
        bus.consuming(received),
        bus.consuming(letters, topic=bus.letters, group=bus.name),
    ):
        await bus.send("good")
        await received.until(1, seconds=30)
        await letters.until(1, seconds=30)

    assert received.names == ["good"]
    (letter,) = letters.envelopes
    about = dict(letter.extensions)
    assert (about["origintopic"], about["originoffset"]) == (bus.topic, "0")
    assert (about["originbytes"], about["originheaders"]) == (str(HUGE), "{}")
    assert letter.payload == b"\xff" * 1000


async def test_a_value_of_5_mb_is_refused_by_a_topic_as_we_make_them(bus: Bus) -> None:
    received, letters = Strict(), Received()
    ensure_topics(bus.access, [bus.topic])

    try:
        await asyncio.to_thread(put, bus, b"k", b"\xff" * HUGE, GOOD)
        refused = 0
    except KafkaError:
        refused = 1
    async with (
        bus.consuming(received),
        bus.consuming(letters, topic=bus.letters, group=bus.name),
    ):
        await bus.send("good")
        await received.until(1, seconds=30)
        await letters.until(1 - refused, seconds=30)

    assert received.names == ["good"]
    assert len(letters.envelopes) == 1 - refused
