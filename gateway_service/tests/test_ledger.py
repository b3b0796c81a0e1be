"""The contracts of the ledger and of the sweeper's records, over memory and a real server."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from gateway_fakes import AUDIO, REMIND, RETENTION, InMemoryConversionStore, new_conversion
from gateway_stores import InMemoryVideoLedger
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service.adapters.conversion_documents import to_document
from gateway_service.adapters.mongo_conversions import MongoConversionStore
from gateway_service.adapters.mongo_ledger import MongoVideoLedger
from gateway_service.adapters.mongo_records import MongoConversionRecords
from gateway_service.domain import (
    Change,
    Conversion,
    ConversionId,
    Deleted,
    DeletionConfirmed,
    Failed,
    Failure,
    Party,
    Succeeded,
    Upload,
    Video,
    VideoId,
)
from gateway_service.ports import ConversionRecords, ConversionStore, VideoLedger
from tonearm_chassis.mongo import Document
from tonearm_chassis.testing.clock import START

VIDEO = Video(VideoId("v"), "holiday.mp4", 10, "ab" * 32)
ONE, TWO = ConversionId("one"), ConversionId("two")
LATER = START + timedelta(hours=1)
SUCCEEDED = Succeeded(1, AUDIO, START)
FAILED = Failed(1, Failure("NO_AUDIO", "The video has no sound."), START)
Both = tuple[ConversionStore, ConversionRecords]


@pytest.fixture
async def mongo_ledger(mongodb: AsyncDatabase[Document]) -> MongoVideoLedger:
    ledger = MongoVideoLedger(mongodb)
    await ledger.prepare()
    return ledger


@pytest.fixture
async def mongo_both(mongodb: AsyncDatabase[Document]) -> Both:
    store = MongoConversionStore(mongodb, REMIND.total_seconds())
    records = MongoConversionRecords(mongodb)
    for prepare in (store.prepare, records.prepare, records.prepare):
        await prepare()
    return store, records


@pytest.fixture(params=["memory", "mongo"])
def ledger(request: pytest.FixtureRequest) -> VideoLedger:
    if request.param == "memory":
        return InMemoryVideoLedger()
    mongo: MongoVideoLedger = request.getfixturevalue("mongo_ledger")
    return mongo


@pytest.fixture(params=["memory", "mongo"])
def both(request: pytest.FixtureRequest) -> Both:
    if request.param == "memory":
        memory = InMemoryConversionStore()
        return memory, memory
    mongo: Both = request.getfixturevalue("mongo_both")
    return mongo


async def stored(ledger: VideoLedger) -> None:
    await ledger.begin(VIDEO.id, START)
    assert await ledger.store(VIDEO, ONE, START)


async def test_an_upload_is_idle_when_nothing_has_come_for_long(ledger: VideoLedger) -> None:
    await ledger.begin(VIDEO.id, START)
    assert await ledger.idle(START - timedelta(seconds=1), 10) == []
    assert await ledger.idle(START, 10) == [Upload(VIDEO.id, START)]

    assert await ledger.touch(VIDEO.id, LATER)

    assert await ledger.idle(START, 10) == []


async def test_an_upload_that_was_given_up_is_neither_touched_nor_stored(
    ledger: VideoLedger,
) -> None:
    await ledger.begin(VIDEO.id, START)

    await ledger.give_up(Upload(VIDEO.id, START), LATER)

    assert not await ledger.touch(VIDEO.id, LATER)
    assert not await ledger.store(VIDEO, ONE, LATER)
    assert await ledger.discarded(10) == [VIDEO.id]


async def test_an_upload_that_was_touched_since_is_not_given_up(ledger: VideoLedger) -> None:
    await ledger.begin(VIDEO.id, START)
    await ledger.touch(VIDEO.id, LATER)

    await ledger.give_up(Upload(VIDEO.id, START), LATER)

    assert await ledger.store(VIDEO, ONE, LATER)
    assert await ledger.discarded(10) == []


async def test_what_was_stored_is_not_given_up(ledger: VideoLedger) -> None:
    await stored(ledger)

    await ledger.give_up(Upload(VIDEO.id, START), LATER)

    assert await ledger.idle(LATER, 10) == []
    assert await ledger.discarded(10) == []


async def test_of_a_storing_and_a_giving_up_at_once_one_wins(ledger: VideoLedger) -> None:
    for number in range(10):
        video = replace(VIDEO, id=VideoId(f"v{number}"))
        await ledger.begin(video.id, START)

        kept, _ = await asyncio.gather(
            ledger.store(video, ONE, START), ledger.give_up(Upload(video.id, START), LATER)
        )

        assert kept is (video.id not in await ledger.discarded(100))


async def test_beginning_and_storing_may_be_repeated(ledger: VideoLedger) -> None:
    await stored(ledger)

    await ledger.begin(VIDEO.id, LATER)

    assert await ledger.store(VIDEO, ONE, START)
    assert await ledger.idle(LATER, 10) == []


async def test_a_video_is_discarded_with_its_last_user(ledger: VideoLedger) -> None:
    await stored(ledger)
    assert await ledger.take(VIDEO.id, TWO, START)

    await ledger.release(VIDEO.id, ONE, LATER)
    assert await ledger.discarded(10) == []
    await ledger.release(VIDEO.id, TWO, LATER)
    await ledger.release(VIDEO.id, TWO, LATER)

    assert await ledger.discarded(10) == [VIDEO.id]
    assert await ledger.discarded(10) == [VIDEO.id]


async def test_a_video_that_nobody_uses_any_more_cannot_be_taken(ledger: VideoLedger) -> None:
    await stored(ledger)
    await ledger.release(VIDEO.id, ONE, LATER)

    assert not await ledger.take(VIDEO.id, TWO, LATER)
    await ledger.discarded(10)
    assert not await ledger.take(VIDEO.id, TWO, LATER)
    await ledger.remove(VIDEO.id)
    assert not await ledger.take(VIDEO.id, TWO, LATER)


async def test_a_video_that_was_taken_is_not_discarded_or_removed(ledger: VideoLedger) -> None:
    await stored(ledger)

    await ledger.remove(VIDEO.id)

    assert await ledger.discarded(10) == []
    assert await ledger.known([VIDEO.id, "other"]) == {VIDEO.id}


async def test_who_was_about_to_use_a_video_is_asked_for_until_settled(
    ledger: VideoLedger,
) -> None:
    await stored(ledger)
    await ledger.take(VIDEO.id, TWO, START)
    assert await ledger.unsettled(START - timedelta(seconds=1), 10) == []
    assert set(await ledger.unsettled(START, 10)) == {(VIDEO.id, ONE), (VIDEO.id, TWO)}

    await ledger.settle(VIDEO.id, ONE)
    await ledger.release(VIDEO.id, TWO, START)

    assert await ledger.unsettled(LATER, 10) == []
    assert await ledger.discarded(10) == []


async def test_an_adopted_video_is_kept_for_its_users(ledger: VideoLedger) -> None:
    await ledger.adopt(VIDEO.id, [ONE, TWO], START)
    await ledger.adopt(VIDEO.id, [], START)

    await ledger.release(VIDEO.id, ONE, START)

    assert await ledger.discarded(10) == []
    assert await ledger.unsettled(LATER, 10) == []


async def test_what_is_removed_is_unknown(ledger: VideoLedger) -> None:
    await ledger.begin(VIDEO.id, START)

    await ledger.remove(VIDEO.id)
    await ledger.remove(VIDEO.id)

    assert await ledger.known([VIDEO.id]) == set()


async def ended(both: Both, *changes: Change) -> Conversion:
    """Store a conversion that ended now."""
    store, _ = both
    old = await store.add(new_conversion())
    for change in changes:
        new = old.after(change, START)
        assert new is not None
        if new.is_final and not old.is_final and not new.is_deleted:
            new = new.kept(RETENTION)
        assert await store.replace(old, new)
        old = replace(new, revision=old.revision + 1)
    return old


async def test_a_conversion_is_done_with_its_video_when_the_time_is_over(both: Both) -> None:
    _, records = both
    await ended(both)
    own = await ended(both, FAILED)
    due = START + RETENTION.video

    assert await records.done_with_video(due - timedelta(seconds=1), 10) == []
    assert await records.done_with_video(due, 10) == [own]
    assert await records.users(own.video.id) == [own.id]
    await records.video_released(own)
    await records.video_released(own)

    assert await records.done_with_video(due, 10) == []
    assert await records.users(own.video.id) == []


async def test_a_deleted_conversion_is_done_with_its_video_at_once(both: Both) -> None:
    _, records = both
    own = await ended(both, Deleted())

    assert await records.done_with_video(START, 10) == [own]


async def test_a_conversion_is_done_with_its_audio_when_the_time_is_over(both: Both) -> None:
    _, records = both
    await ended(both, FAILED)
    own = await ended(both, SUCCEEDED)
    due = START + RETENTION.audio

    assert await records.done_with_audio(due - timedelta(seconds=1), 10) == []
    assert await records.done_with_audio(due, 10) == [own]
    await records.audio_deleted(own)

    assert await records.done_with_audio(due, 10) == []


async def test_a_tombstone_is_forgettable_when_nothing_is_left_to_do(both: Both) -> None:
    store, records = both
    await ended(both, FAILED)
    unconfirmed = await ended(both, Deleted(), DeletionConfirmed(Party.NOTIFIER))
    await records.video_released(unconfirmed)
    own = await ended(both, Deleted(), *(DeletionConfirmed(party) for party in Party))
    assert await records.forgettable(LATER, 10) == []

    await records.video_released(own)
    assert await records.forgettable(START - timedelta(seconds=1), 10) == []
    assert [each.id for each in await records.forgettable(START, 10)] == [own.id]
    await records.forget(own)

    assert await store.find(own.id) is None


async def test_what_is_not_deleted_is_not_forgotten(both: Both) -> None:
    store, records = both
    own = await ended(both, FAILED)

    await records.forget(own)

    assert await store.find(own.id) == own


async def test_a_conversion_that_was_forestalled_is_never_inserted(both: Both) -> None:
    store, records = both
    late = new_conversion(request_id="5e0a6b70-6d36-4f2c-8d6d-000000000001")

    assert await records.forestall(late.id, START)
    assert await records.forestall(late.id, START)

    assert (await store.add(late)).is_deleted
    assert await store.find_own(late.owner.account_id, late.id) is None
    assert await store.silent(START + timedelta(days=1), 10) == []
    assert [each.id for each in await records.forgettable(START, 10)] == [late.id]


async def test_a_conversion_that_is_there_is_not_forestalled(both: Both) -> None:
    store, records = both
    own = await ended(both)

    assert not await records.forestall(own.id, START)

    assert await store.find(own.id) == own


async def test_of_an_insertion_and_a_forestalling_at_once_one_wins(both: Both) -> None:
    store, records = both
    for _ in range(10):
        new = new_conversion()

        added, forestalled = await asyncio.gather(store.add(new), records.forestall(new.id, START))

        assert forestalled is added.is_deleted


async def test_documents_of_version_0_1_are_read_and_completed(
    mongodb: AsyncDatabase[Document],
) -> None:
    store = MongoConversionStore(mongodb, REMIND.total_seconds())
    records = MongoConversionRecords(mongodb)
    own = new_conversion()
    ended = own.after(FAILED, START)
    assert ended is not None
    document = to_document(ended)
    for name in (
        "fingerprint", "retry_of", "video_expire_time", "video_released", "audio_expire_time",
        "audio_expired", "delete_time", "confirmed",
    ):  # fmt: skip
        del document[name]
    await mongodb["conversions"].insert_one(document)

    (found,) = await records.unkept(10)
    assert await store.replace(found, found.kept(RETENTION))

    assert found == ended
    assert await records.unkept(10) == []
    assert len(await records.done_with_video(START + RETENTION.video, 10)) == 1
