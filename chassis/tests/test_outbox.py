"""What was promised is published: the outbox in memory and in MongoDB, and the relay over both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from chassis_programs import running, store_command
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

from tonearm_chassis import mongo
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import UnsendableEvent
from tonearm_chassis.outbox import POLL_SECONDS, MongoOutbox, Outbox, Relay, entry_document
from tonearm_chassis.testing.clock import START
from tonearm_chassis.testing.events import InMemoryProducer
from tonearm_chassis.testing.outbox import InMemoryOutbox
from tonearm_chassis.testing.ports import free_port

TOPIC = "tonearm.test.v1"
SOON = POLL_SECONDS / 2


class Promises(Outbox, Protocol):
    """An outbox that tests can fill."""

    async def promise(self, document_id: str, topic: str, envelope: Envelope) -> None:
        """Write an entry into a document."""
        ...


class MongoPromises(MongoOutbox):
    """The outbox in MongoDB, filled as services fill it."""

    def __init__(self, collection: AsyncCollection[mongo.Document]) -> None:
        super().__init__(collection)
        self._documents = collection

    async def promise(self, document_id: str, topic: str, envelope: Envelope) -> None:
        await self._documents.update_one(
            {"_id": document_id},
            {"$push": {"outbox": entry_document(topic, envelope)}},
            upsert=True,
        )


@pytest.fixture(params=["memory", "mongodb"])
async def outbox(request: pytest.FixtureRequest) -> AsyncIterator[Promises]:
    if request.param == "memory":
        yield InMemoryOutbox()
        return
    async with mongo.connect(request.getfixturevalue("mongodb_uri")) as client:
        collection = mongo.database(client, "chassis")[uuid4().hex]
        promises = MongoPromises(collection)
        await promises.prepare()
        await collection.insert_many([{"_id": "no promise"}, {"_id": "kept", "outbox": []}])
        yield promises


def event(name: str, seconds: float = 0) -> Envelope:
    """An event, made some seconds after the start of time."""
    return Envelope(
        type="tonearm.test.Happened",
        key="k",
        payload=b"\x00\xff",
        source="/tonearm/test",
        time=START + timedelta(seconds=seconds),
        id=name,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        extensions=(("reason", "why not"),),
    )


def names(producer: InMemoryProducer) -> list[str]:
    """The events that arrived, in order."""
    return [envelope.id for _, envelope in producer.sent]


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncIterator[asyncio.Event]:
    """Run a relay, and let it finish."""
    stopping = asyncio.Event()
    running_relay = asyncio.create_task(relay.run(stopping))
    try:
        yield stopping
    finally:
        stopping.set()
        async with asyncio.timeout(5):
            await running_relay


async def arrived(producer: InMemoryProducer, count: int, seconds: float) -> None:
    """Wait until the producer has so many events."""
    async with asyncio.timeout(seconds):
        while len(producer.sent) < count:  # noqa: ASYNC110 - the fake has no event to wait for
            await asyncio.sleep(0.005)  # the fake has no event


async def test_an_entry_is_read_as_it_was_promised(outbox: Promises) -> None:
    await outbox.promise("d-1", TOPIC, event("e-1"))

    (entry,) = await outbox.pending(10)

    assert (entry.document_id, entry.topic, entry.envelope) == ("d-1", TOPIC, event("e-1"))


async def test_a_documents_entries_keep_its_order_whatever_its_writers_clocks_said(
    outbox: Promises,
) -> None:
    await outbox.promise("late", TOPIC, event("e-1", 9))
    await outbox.promise("early", TOPIC, event("e-2", 5))
    await outbox.promise("early", TOPIC, event("e-3", 1))

    pending = await outbox.pending(10)

    assert [entry.envelope.id for entry in pending] == ["e-2", "e-3", "e-1"]


async def test_no_more_documents_are_listed_than_asked_for(outbox: Promises) -> None:
    for number in range(5):
        await outbox.promise(f"d-{number}", TOPIC, event(f"e-{number}", number))

    assert len(await outbox.pending(3)) == 3


async def test_a_published_entry_is_forgotten_and_a_repeat_changes_nothing(
    outbox: Promises,
) -> None:
    await outbox.promise("d-1", TOPIC, event("e-1"))
    await outbox.promise("d-1", TOPIC, event("e-2"))
    first, second = await outbox.pending(10)

    await outbox.mark_published(first)
    await outbox.mark_published(first)

    assert await outbox.pending(10) == [second]


async def test_the_relay_publishes_what_was_promised_before_it_began(outbox: Promises) -> None:
    producer = InMemoryProducer()
    for number in range(4):
        await outbox.promise("d-1", TOPIC, event(f"e-{number}"))

    async with relaying(Relay(outbox, producer)):
        await arrived(producer, 4, SOON)

    assert names(producer) == ["e-0", "e-1", "e-2", "e-3"]
    assert await outbox.pending(10) == []


async def test_a_woken_relay_does_not_wait_for_its_next_look(outbox: Promises) -> None:
    producer = InMemoryProducer()
    relay = Relay(outbox, producer)

    async with relaying(relay):
        await outbox.promise("d-1", TOPIC, event("e-1"))
        relay.wake()
        await arrived(producer, 1, SOON)
        await outbox.promise("d-1", TOPIC, event("e-2"))
        relay.wake()
        await arrived(producer, 2, SOON)

    assert names(producer) == ["e-1", "e-2"]


async def test_what_others_promised_is_found_without_being_woken(outbox: Promises) -> None:
    producer = InMemoryProducer()

    async with relaying(Relay(outbox, producer)):
        await asyncio.sleep(0.05)  # past its first look
        await outbox.promise("d-1", TOPIC, event("e-1"))
        await arrived(producer, 1, 3 * POLL_SECONDS)

    assert names(producer) == ["e-1"]


async def test_promises_outlive_an_outage_of_the_bus(outbox: Promises) -> None:
    producer = InMemoryProducer()
    producer.away = True
    await outbox.promise("d-1", TOPIC, event("e-1"))
    relay = Relay(outbox, producer)

    async with relaying(relay):
        await asyncio.sleep(0.05)  # past its first try
        assert len(await outbox.pending(10)) == 1
        producer.away = False
        relay.wake()
        await arrived(producer, 1, 3 * POLL_SECONDS)

    assert names(producer) == ["e-1"]


async def test_a_relay_that_is_told_to_stop_publishes_the_last_promises(outbox: Promises) -> None:
    producer = InMemoryProducer()

    async with relaying(Relay(outbox, producer)):
        await asyncio.sleep(0.05)  # past its first look
        await outbox.promise("d-1", TOPIC, event("e-1"))

    assert names(producer) == ["e-1"]


async def test_an_event_the_bus_will_never_take_does_not_hold_up_the_others(
    outbox: Promises,
) -> None:
    class Picky(InMemoryProducer):
        async def send(self, topic: str, envelope: Envelope) -> None:
            if envelope.id == "huge":
                raise UnsendableEvent("MessageSizeTooLarge")
            await super().send(topic, envelope)

    producer = Picky()
    await outbox.promise("d-1", TOPIC, event("huge", 0))
    await outbox.promise("d-2", TOPIC, event("e-2", 1))

    async with relaying(Relay(outbox, producer)):
        await arrived(producer, 1, SOON)

    assert names(producer) == ["e-2"]
    assert [entry.envelope.id for entry in await outbox.pending(10)] == ["huge"]


async def test_an_outage_of_the_store_is_waited_out() -> None:
    producer, outbox = InMemoryProducer(), InMemoryOutbox()
    await outbox.promise("d-1", TOPIC, event("e-1"))
    outbox.away = True
    relay = Relay(outbox, producer)

    async with relaying(relay):
        await asyncio.sleep(0.05)  # past its first try
        outbox.away = False
        relay.wake()
        await arrived(producer, 1, 3 * POLL_SECONDS)

    assert names(producer) == ["e-1"]


async def test_a_relay_stops_at_once_while_the_bus_is_away() -> None:
    sends = 0

    class Hanging(InMemoryProducer):
        async def send(self, topic: str, envelope: Envelope) -> None:
            nonlocal sends
            sends += 1
            await asyncio.sleep(0.01)  # as a bus that is away
            raise Outage(f"{topic} {envelope.id}")

    outbox = InMemoryOutbox()
    await outbox.promise("d-1", TOPIC, event("e-1"))

    async with relaying(Relay(outbox, Hanging())) as stopping:
        await asyncio.sleep(0.05)  # past its first try
        stopping.set()

    assert sends == 1


async def test_a_store_that_ends_is_an_outage_and_is_found_again(tmp_path: Path) -> None:
    port = free_port()
    command = store_command(port, tmp_path)
    if command is None:
        pytest.skip(reason="the embedded store is not installed (secantusdb)")
    client: AsyncMongoClient[mongo.Document] = AsyncMongoClient(
        "127.0.0.1", port, serverSelectionTimeoutMS=500
    )
    async with client:
        outbox = MongoPromises(mongo.database(client, "chassis")["documents"])
        with running(command, port):
            await outbox.promise("d-1", TOPIC, event("e-1"))
        with pytest.raises(Outage):
            await outbox.pending(10)
        with running(command, port):
            kept = await outbox.pending(10)

    assert [entry.envelope.id for entry in kept] == ["e-1"]
