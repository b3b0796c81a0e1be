"""The contract of `DeliveryStore`, over the fake and over MongoDB."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from notifier_fakes import OWNER, STRANGER, InMemoryDeliveryStore, a_notice
from pymongo import AsyncMongoClient

from notifier_service import wire
from notifier_service.adapters.mongo_deliveries import MongoDeliveryStore
from notifier_service.domain import Delivery, Position, State
from notifier_service.ports import DeliveryStore
from tonearm.events.v1 import events_pb2
from tonearm_chassis.clock import Clock, SystemClock
from tonearm_chassis.errors import Outage
from tonearm_chassis.mongo import Document, connect, database
from tonearm_chassis.outbox import MongoOutbox, Outbox
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.mongo import mongo_program, mongo_server

# PyMongo leaves the socket of a monitor that is cancelled while it connects to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

LONG = 60.0
SHORT = 0.2


@pytest.fixture(scope="module")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a MongoDB-compatible server runs."""
    if mongo_program() is None:
        pytest.skip(reason="no MongoDB-compatible server: the secantusdb wheel is not installed")
    with mongo_server(tmp_path_factory.mktemp("mongodb")) as uri:
        yield uri


@dataclass(frozen=True, slots=True)
class Subject:
    """A store, what it promised, and the clock by which its leases pass."""

    store: DeliveryStore
    outbox: Outbox
    clock: Clock


@pytest.fixture(params=["in_memory", "mongodb"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "in_memory":
        clock = FakeClock()
        fake = InMemoryDeliveryStore(clock)
        yield Subject(fake, fake, clock)
        return
    client = connect(request.getfixturevalue("mongodb_uri"))
    try:
        deliveries = database(client, "notifier")[f"deliveries-{uuid.uuid4().hex}"]
        store, outbox = MongoDeliveryStore(deliveries), MongoOutbox(deliveries)
        await store.prepare()
        await outbox.prepare()
        yield Subject(store, outbox, SystemClock())
    finally:
        await client.close()
        gc.collect()


async def claimed(subject: Subject, lease_seconds: float = LONG) -> Delivery:
    delivery = await subject.store.claim(lease_seconds)
    assert delivery is not None
    return delivery


async def test_a_recorded_notice_is_due_at_once_and_keeps_every_part_of_it(
    subject: Subject,
) -> None:
    notice = replace(a_notice(name="$HOME/🎬.mp4"), failure_message="$why", traceparent="00-1-2-3")

    await subject.store.record(notice)
    delivery = await claimed(subject)

    assert delivery.notice == notice
    assert delivery.state is State.PENDING


async def test_recording_a_notice_twice_keeps_the_first(subject: Subject) -> None:
    first = await subject.store.record(a_notice(name="first.mp4"))

    second = await subject.store.record(a_notice(name="second.mp4"))

    assert second == first


async def test_recording_a_notice_many_times_at_once_makes_one_delivery(subject: Subject) -> None:
    await asyncio.gather(*(subject.store.record(a_notice()) for _ in range(10)))

    assert (await claimed(subject)).key == a_notice().key
    assert await subject.store.claim(LONG) is None


async def test_nothing_is_claimed_when_nothing_is_recorded(subject: Subject) -> None:
    assert await subject.store.claim(LONG) is None


async def test_every_claim_of_several_at_once_gets_another_delivery(subject: Subject) -> None:
    for number in range(5):
        await subject.store.record(a_notice(number))

    claims = await asyncio.gather(*(subject.store.claim(LONG) for _ in range(8)))

    keys = [claim.key for claim in claims if claim]
    assert len(keys) == len(set(keys)) == 5


async def test_a_leased_delivery_comes_again_only_when_its_lease_is_over(subject: Subject) -> None:
    await subject.store.record(a_notice())
    first = await claimed(subject, SHORT)

    during = await subject.store.claim(SHORT)
    await subject.clock.sleep(2 * SHORT)
    after = await subject.store.claim(SHORT)

    assert during is None
    assert after is not None
    assert (first.attempts, after.attempts) == (1, 2)


async def test_whoever_lost_the_lease_can_change_nothing(subject: Subject) -> None:
    await subject.store.record(a_notice())
    zombie = await claimed(subject, SHORT)
    await subject.clock.sleep(2 * SHORT)
    current = await claimed(subject)

    settled = await subject.store.settle(zombie.delivered(subject.clock.now()))
    postponed = await subject.store.postpone(zombie, "late", LONG)

    assert (settled, postponed) == (False, False)
    assert await subject.outbox.pending(10) == []
    assert await subject.store.settle(current.delivered(subject.clock.now()))


async def test_a_postponed_delivery_is_due_again_after_its_pause(subject: Subject) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject)

    assert await subject.store.postpone(delivery, "$busy", SHORT)

    assert await subject.store.claim(LONG) is None
    await subject.clock.sleep(2 * SHORT)
    again = await claimed(subject)
    assert (again.attempts, again.last_error) == (2, "$busy")


async def test_the_delivery_that_is_due_the_longest_comes_first(subject: Subject) -> None:
    await subject.store.record(a_notice(2))
    await subject.clock.sleep(0.01)
    await subject.store.record(a_notice(1))

    first = await claimed(subject)

    assert first.key == a_notice(2).key


async def test_settling_records_the_outcome_and_promises_to_tell_it(subject: Subject) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject)
    moment = subject.clock.now()

    assert await subject.store.settle(delivery.delivered(moment))

    stored = await subject.store.record(a_notice())
    assert (stored.state, stored.settled_at) == (State.DELIVERED, moment)
    (entry,) = await subject.outbox.pending(10)
    assert entry.topic == "tonearm.conversion-events.v1"
    assert entry.envelope.open(events_pb2.NotificationDelivered).delivered


async def test_a_settled_delivery_is_never_claimed_nor_changed_again(subject: Subject) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject, SHORT)
    await subject.store.settle(delivery.abandoned(subject.clock.now(), "no such user"))
    await subject.clock.sleep(2 * SHORT)

    again = await subject.store.claim(LONG)
    settled = await subject.store.settle(delivery.delivered(subject.clock.now()))

    assert again is None
    assert not settled
    stored = await subject.store.record(a_notice())
    assert (stored.state, stored.last_error) == (State.ABANDONED, "no such user")


async def test_announcing_again_promises_once_until_the_promise_is_kept(subject: Subject) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject)
    settled = delivery.delivered(subject.clock.now())
    await subject.store.settle(settled)
    (entry,) = await subject.outbox.pending(10)

    await subject.store.announce(settled)
    before = await subject.outbox.pending(10)
    await subject.outbox.mark_published(entry)
    kept = await subject.outbox.pending(10)
    await subject.store.announce(settled)
    after = await subject.outbox.pending(10)

    assert before == [entry]
    assert kept == []
    assert [each.envelope.id for each in after] == [entry.envelope.id]


async def test_the_list_shows_only_the_owners_own_newest_first(subject: Subject) -> None:
    for number in (1, 2, 3):
        await subject.store.record(a_notice(number))
        await subject.clock.sleep(0.01)
    await subject.store.record(a_notice(4, account_id=STRANGER))

    shown = await subject.store.newest(OWNER, "", None, 10)

    assert [each.key for each in shown] == [a_notice(number).key for number in (3, 2, 1)]


async def test_the_list_can_be_narrowed_to_one_conversion(subject: Subject) -> None:
    await subject.store.record(a_notice(1))
    await subject.store.record(a_notice(2))

    shown = await subject.store.newest(OWNER, a_notice(2).conversion_id, None, 10)

    assert [each.key for each in shown] == [a_notice(2).key]


async def test_pages_that_follow_one_another_miss_and_repeat_nothing(subject: Subject) -> None:
    # Recorded as fast as it goes: several share a millisecond.
    await asyncio.gather(*(subject.store.record(a_notice(number)) for number in range(7)))

    seen: list[Delivery] = []
    after: Position | None = None
    while page := await subject.store.newest(OWNER, "", after, 2):
        seen += page
        after = Position(page[-1].requested_at, page[-1].key)

    assert sorted(each.key for each in seen) == [a_notice(number).key for number in range(7)]


async def test_a_store_that_is_away_is_an_outage() -> None:
    client = AsyncMongoClient[Document](
        "mongodb://127.0.0.1:9/?directConnection=true", serverSelectionTimeoutMS=50
    )
    store = MongoDeliveryStore(database(client, "notifier")["deliveries"])

    try:
        with pytest.raises(Outage):
            await store.record(a_notice())
        with pytest.raises(Outage):
            await store.claim(LONG)
    finally:
        await client.close()


async def test_leases_pass_by_the_servers_clock_and_not_by_ours(mongodb_uri: str) -> None:
    client = connect(mongodb_uri)
    deliveries = database(client, "notifier")[f"deliveries-{uuid.uuid4().hex}"]
    store = MongoDeliveryStore(deliveries)

    try:
        delivery = await store.record(a_notice())
        await store.claim(LONG)
        document = await deliveries.find_one({"_id": delivery.key})
    finally:
        await client.close()

    assert document is not None
    lease = document["lease_until"] - document["requested_at"]
    assert timedelta(seconds=LONG) <= lease < timedelta(seconds=LONG + 5)
    assert document["_id"] == f"{delivery.notice.conversion_id}:mail"
    assert wire.EVENTS_TOPIC == "tonearm.conversion-events.v1"
