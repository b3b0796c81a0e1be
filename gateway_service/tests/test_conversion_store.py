"""The contract of the conversion store, over memory and a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from gateway_fakes import ADA, AUDIO, EVE, REMIND, InMemoryConversionStore, new_conversion
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service import wire
from gateway_service.adapters.mongo_conversions import MongoConversionStore
from gateway_service.domain import (
    CancellationConfirmed,
    Cancelled,
    Change,
    Conversion,
    ConversionId,
    Deleted,
    DeletionConfirmed,
    Failed,
    Failure,
    Notified,
    PageStart,
    Party,
    Progressed,
    Started,
    Succeeded,
)
from gateway_service.ports import ConversionStore
from tonearm.events.v1 import events_pb2
from tonearm_chassis.mongo import Document
from tonearm_chassis.testing.clock import START

REQUEST_ID = "5e0a6b70-6d36-4f2c-8d6d-000000000001"
SUCCEEDED = Succeeded(3, AUDIO, START)
FAILED = Failed(3, Failure("NO_AUDIO", "The video has no sound."), START)


@pytest.fixture
async def mongo(mongodb: AsyncDatabase[Document]) -> MongoConversionStore:
    store = MongoConversionStore(mongodb, REMIND.total_seconds())
    await store.prepare()
    return store


@pytest.fixture(params=["memory", "mongo"])
def store(request: pytest.FixtureRequest) -> ConversionStore:
    if request.param == "memory":
        return InMemoryConversionStore()
    mongo: MongoConversionStore = request.getfixturevalue("mongo")
    return mongo


async def change(store: ConversionStore, old: Conversion, *changes: Change) -> Conversion:
    """Apply changes one after the other; give the conversion as it is stored then."""
    for each in changes:
        new = old.after(each, START)
        assert new is not None
        assert await store.replace(old, new)
        found = await store.find(old.id)
        assert found is not None
        old = found
    return old


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED])
async def test_a_conversion_comes_back_as_it_was_stored(
    store: ConversionStore, end: Change
) -> None:
    own = await store.add(new_conversion(request_id=REQUEST_ID))

    ended = await change(store, own, Started(3, START), Progressed(3, 0.5), end)

    expected = own
    for each in (Started(3, START), Progressed(3, 0.5), end):
        expected = expected.after(each, START) or expected
    assert ended == replace(expected, revision=3)


async def test_only_the_owner_finds_it(store: ConversionStore) -> None:
    own = await store.add(new_conversion())

    assert await store.find_own(ADA.account_id, own.id) == own
    assert await store.find_own(EVE.account_id, own.id) is None


async def test_the_same_request_stores_nothing_more(store: ConversionStore) -> None:
    own = await store.add(new_conversion(request_id=REQUEST_ID))

    again = await store.add(new_conversion(request_id=REQUEST_ID))
    elses = await store.add(new_conversion(EVE, request_id=REQUEST_ID))

    assert again == own
    assert elses.id != own.id
    assert await store.page(ADA.account_id, 10, None) == [own]


async def test_of_ten_equal_requests_at_once_one_is_stored(store: ConversionStore) -> None:
    results = await asyncio.gather(
        *(store.add(new_conversion(request_id=REQUEST_ID)) for _ in range(10))
    )

    assert len({each.id for each in results}) == 1


async def test_an_insert_that_is_repeated_finds_itself(mongo: MongoConversionStore) -> None:
    _, own, _ = [await mongo.add(new_conversion(age=age)) for age in (120, 60, 0)]

    again = await mongo.add(own)

    assert again == own


async def test_conversions_without_a_request_id_are_all_stored(store: ConversionStore) -> None:
    for _ in range(3):
        await store.add(new_conversion())

    assert len(await store.page(ADA.account_id, 10, None)) == 3


async def test_a_page_begins_after_its_start_also_among_equal_times(
    store: ConversionStore,
) -> None:
    made = [await store.add(new_conversion(age=age // 3)) for age in range(9)]
    made.sort(key=lambda each: (each.create_time, each.id), reverse=True)
    seen: list[Conversion] = []
    start: PageStart | None = None

    while page := await store.page(ADA.account_id, 2, start):
        seen += page
        start = PageStart(page[-1].create_time, page[-1].id)

    assert seen == made


async def test_of_two_writers_with_the_same_revision_one_wins(store: ConversionStore) -> None:
    own = await store.add(new_conversion())
    one = own.after(Progressed(1, 0.1), START)
    two = own.after(Progressed(1, 0.2), START)
    assert one is not None
    assert two is not None

    results = await asyncio.gather(store.replace(own, one), store.replace(own, two))

    assert sorted(results) == [False, True]


async def test_silence_is_noticed_when_its_time_has_come(store: ConversionStore) -> None:
    own = await store.add(new_conversion())

    assert await store.silent(START + REMIND - timedelta(seconds=1), 10) == []
    assert await store.silent(START + REMIND, 10) == [own]


async def test_a_reminder_is_not_due_again_before_its_time(store: ConversionStore) -> None:
    own = await store.add(new_conversion())
    later = START + timedelta(hours=1)

    await store.remind(own, START, timedelta(hours=1))

    assert await store.silent(later - timedelta(seconds=1), 10) == []
    assert [each.reminders for each in await store.silent(later, 10)] == [1]


async def test_a_reminder_for_an_older_revision_changes_nothing(store: ConversionStore) -> None:
    own = await store.add(new_conversion())
    current = await change(store, own, Started(1, START))

    await store.remind(own, START, timedelta(hours=1))

    assert await store.find(own.id) == current


async def test_what_ended_and_was_told_is_never_due(store: ConversionStore) -> None:
    own = await store.add(new_conversion())

    await change(store, own, SUCCEEDED, Notified())

    assert await store.silent(START + timedelta(days=365), 10) == []


ENDS: list[list[Change]] = [
    [Cancelled(), CancellationConfirmed()],
    [FAILED, Deleted(), DeletionConfirmed(Party.NOTIFIER)],
    [Deleted(), *(DeletionConfirmed(party) for party in Party)],
]


@pytest.mark.parametrize("changes", ENDS)
async def test_what_owners_wish_comes_back_as_it_was_stored(
    store: ConversionStore, changes: list[Change]
) -> None:
    own = await store.add(replace(new_conversion(), retry_of=ConversionId("before")))

    ended = await change(store, own, *changes)

    expected = own
    for each in changes:
        expected = expected.after(each, START) or expected
    assert ended == replace(expected, revision=len(changes))


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ([Cancelled()], True),
        ([Cancelled(), CancellationConfirmed()], False),
        ([Deleted()], True),
        ([Deleted(), DeletionConfirmed(Party.NOTIFIER)], True),
        ([Deleted(), *(DeletionConfirmed(party) for party in Party)], False),
    ],
)
async def test_what_is_not_confirmed_is_due(
    store: ConversionStore, changes: list[Change], *, due: bool
) -> None:
    own = await change(store, await store.add(new_conversion()), *changes)

    assert await store.silent(START + REMIND, 10) == ([own] if due else [])


async def test_a_deleted_conversion_is_found_by_its_ids_only(store: ConversionStore) -> None:
    own = await store.add(new_conversion(request_id=REQUEST_ID))
    other = await store.add(new_conversion())

    tombstone = await change(store, own, Deleted())

    assert await store.find_own(ADA.account_id, own.id) is None
    assert await store.page(ADA.account_id, 10, None) == [other]
    assert await store.find(own.id) == tombstone
    assert await store.find_request(ADA.account_id, REQUEST_ID) == tombstone
    assert await store.find_request(EVE.account_id, REQUEST_ID) is None


async def test_the_same_request_finds_the_tombstone(store: ConversionStore) -> None:
    own = await store.add(new_conversion(request_id=REQUEST_ID))
    tombstone = await change(store, own, Deleted())

    assert await store.add(new_conversion(request_id=REQUEST_ID)) == tombstone


async def test_a_rush_makes_all_that_waits_due_and_nothing_else(store: ConversionStore) -> None:
    waiting = await store.add(new_conversion())
    await store.remind(waiting, START, timedelta(hours=1))
    done = await store.add(new_conversion())
    await change(store, done, SUCCEEDED, Notified())

    await store.rush(START)

    assert [each.id for each in await store.silent(START, 10)] == [waiting.id]
    assert [each.reminders for each in await store.silent(START, 10)] == [1]


async def test_a_rush_does_not_put_off_what_is_due(store: ConversionStore) -> None:
    own = await store.add(new_conversion())

    await store.rush(START + timedelta(hours=1))

    assert await store.silent(START + REMIND, 10) == [own]


async def promised(store: MongoConversionStore) -> Sequence[tuple[str, str]]:
    """List what waits in the outbox: topic and short type."""
    entries = await store.outbox.pending(100)
    return [(each.topic, each.envelope.type.rpartition(".")[2]) for each in entries]


async def test_the_outbox_lies_in_the_same_document(mongo: MongoConversionStore) -> None:
    own = await mongo.add(new_conversion())

    (entry,) = await mongo.outbox.pending(100)

    assert (entry.topic, entry.document_id) == (wire.REQUESTS_TOPIC, own.id)
    event = entry.envelope.open(events_pb2.ConversionRequested)
    assert (event.conversion_id, event.video_id) == (own.id, own.video.id)
    assert (event.size_bytes, event.sha256) == (own.video.size_bytes, own.video.sha256)


async def test_the_end_overtakes_the_request_and_promises_a_notice(
    mongo: MongoConversionStore,
) -> None:
    own = await mongo.add(new_conversion())

    await change(mongo, own, Started(3, START), FAILED, Notified())

    assert await promised(mongo) == [(wire.NOTIFICATIONS_TOPIC, "NotificationRequested")]


async def test_reminders_do_not_pile_up_while_the_bus_is_away(mongo: MongoConversionStore) -> None:
    own = await mongo.add(new_conversion())

    for _ in range(5):
        current = await mongo.find(own.id)
        assert current is not None
        await mongo.remind(current, START, REMIND)

    assert await promised(mongo) == [(wire.REQUESTS_TOPIC, "ConversionRequested")]


async def test_a_deletion_overtakes_everything_that_names_the_owner(
    mongo: MongoConversionStore, mongodb: AsyncDatabase[Document]
) -> None:
    own = await mongo.add(new_conversion(request_id=REQUEST_ID))

    await change(mongo, own, SUCCEEDED, Deleted())

    assert await promised(mongo) == [
        (wire.REQUESTS_TOPIC, "ConversionDeleted"),
        (wire.NOTIFICATIONS_TOPIC, "ConversionDeleted"),
    ]
    text = str(await mongodb["conversions"].find_one({"_id": own.id}))
    assert own.owner.email not in text
    assert own.video.filename not in text


async def test_a_cancellation_is_promised_by_the_write_that_makes_it(
    mongo: MongoConversionStore,
) -> None:
    own = await mongo.add(new_conversion())

    await change(mongo, own, Cancelled())

    (entry,) = await mongo.outbox.pending(10)
    assert entry.topic == wire.REQUESTS_TOPIC
    event = entry.envelope.open(events_pb2.ConversionCancelled)
    assert event.conversion_id == entry.envelope.key == own.id


async def test_a_request_tells_the_highest_fence_that_was_heard_of(
    mongo: MongoConversionStore,
) -> None:
    own = await mongo.add(new_conversion())
    running = await change(mongo, own, Started(7, START))

    await mongo.remind(running, START, REMIND)

    (entry,) = await mongo.outbox.pending(10)
    assert entry.envelope.open(events_pb2.ConversionRequested).fence_floor == 7


async def test_preparing_twice_is_no_error(mongo: MongoConversionStore) -> None:
    await mongo.prepare()
