"""The contract of the `TombstoneStore`, over the fake and over a real store."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from converter_fakes import order
from converter_records import FAILED, NOW, SUCCEEDED, Records
from pymongo import AsyncMongoClient

from converter_service.adapters.mongo_claims import MongoClaimStore
from converter_service.adapters.mongo_tombstones import MongoTombstoneStore
from converter_service.domain import AudioFile, AudioId, ClaimLost, ConversionId, Ending, Setback
from converter_service.ports import Standing
from tonearm_chassis import mongo
from tonearm_chassis.testing.clock import FakeClock

ID = order().conversion_id
LATER = NOW + timedelta(days=36_500)
CONFIRMATIONS = {
    Ending.CANCELLED: "CancellationConfirmed",
    Ending.DELETED: "DeletionConfirmed",
}
either = pytest.mark.parametrize("ending", Ending)


async def settle(records: Records) -> None:
    for called_off in await records.tombstones.unsettled(10):
        await records.tombstones.settle(called_off)


@either
async def test_what_is_called_off_is_lost_to_its_holder_and_over(
    records: Records, ending: Ending
) -> None:
    claim = await records.claimed()

    await records.tombstones.call_off(ID, ending)

    for attempt in (
        records.claims.look(claim),
        records.claims.renew(claim),
        records.claims.announce_start(claim, NOW),
        records.claims.finish(claim, FAILED),
    ):
        with pytest.raises(ClaimLost):
            await attempt
    assert await records.claims.claim(order(), "you") is Standing.OVER
    assert await records.claims.leave(order()) is Standing.OVER
    assert await records.due(10) == []
    assert await records.promised() == []


async def test_nothing_is_confirmed_while_somebody_may_work_on_it(records: Records) -> None:
    claim = await records.claimed()
    name = await records.claims.name_audio(claim)
    await records.tombstones.call_off(ID, Ending.CANCELLED)
    assert await records.tombstones.unsettled(10) == []

    assert not await records.claims.release(claim, Setback.DRAINED)

    (called_off,) = await records.tombstones.unsettled(10)
    assert (called_off.conversion_id, called_off.ending) == (ID, Ending.CANCELLED)
    assert called_off.audio_ids == {name}


async def test_a_holder_who_died_is_waited_for_no_longer_than_its_lease(records: Records) -> None:
    await records.claimed()
    await records.tombstones.call_off(ID, Ending.DELETED)

    await records.expire_leases()

    assert len(await records.tombstones.unsettled(10)) == 1


async def test_what_rests_has_no_holder(records: Records) -> None:
    await records.claims.release(await records.claimed(), Setback.OUTAGE)

    await records.tombstones.call_off(ID, Ending.CANCELLED)

    assert len(await records.tombstones.unsettled(10)) == 1


@either
async def test_what_is_settled_is_confirmed_once(records: Records, ending: Ending) -> None:
    await records.tombstones.call_off(ID, ending)
    (called_off,) = await records.tombstones.unsettled(10)

    await records.tombstones.settle(called_off)
    await records.tombstones.settle(called_off)

    assert await records.promised() == [(CONFIRMATIONS[ending], 0)]
    assert await records.tombstones.unsettled(10) == []


async def test_what_was_called_off_again_meanwhile_is_not_settled_yet(records: Records) -> None:
    await records.tombstones.call_off(ID, Ending.CANCELLED)
    (called_off,) = await records.tombstones.unsettled(10)
    await records.tombstones.call_off(ID, Ending.CANCELLED)

    await records.tombstones.settle(called_off)

    assert await records.promised() == []
    assert len(await records.tombstones.unsettled(10)) == 1


@either
async def test_calling_off_again_confirms_again(records: Records, ending: Ending) -> None:
    for _ in range(2):
        await records.publish()
        await records.tombstones.call_off(ID, ending)
        await settle(records)

    assert await records.promised() == [(CONFIRMATIONS[ending], 0)]


@either
async def test_a_late_request_is_answered_with_the_confirmation(
    records: Records, ending: Ending
) -> None:
    await records.tombstones.call_off(ID, ending)
    await records.claims.announce_end(ID, 0)
    assert await records.promised() == []
    await settle(records)
    await records.publish()

    assert await records.claims.claim(order(), "me") is Standing.OVER
    await records.claims.announce_end(ID, 9)

    assert await records.promised() == [(CONFIRMATIONS[ending], 0)]


async def test_a_cancellation_wins_over_an_outcome_and_names_its_audio(records: Records) -> None:
    await records.claims.finish(await records.claimed(), SUCCEEDED)
    await records.publish()

    await records.tombstones.call_off(ID, Ending.CANCELLED)

    (called_off,) = await records.tombstones.unsettled(10)
    assert called_off.audio_ids == {SUCCEEDED.stored.audio_id}
    await records.tombstones.settle(called_off)
    await records.claims.announce_end(ID, 0)
    assert {name for name, _ in await records.promised()} == {"CancellationConfirmed"}


async def test_a_deletion_outlasts_a_cancellation(records: Records) -> None:
    await records.tombstones.call_off(ID, Ending.DELETED)

    await records.tombstones.call_off(ID, Ending.CANCELLED)
    await settle(records)

    assert await records.promised() == [("DeletionConfirmed", 0)]


async def test_a_tombstone_is_forgotten_when_it_is_old_and_said_all(records: Records) -> None:
    await records.claims.finish(await records.claimed(2), SUCCEEDED)
    await records.tombstones.call_off(ID, Ending.DELETED)
    assert await records.tombstones.forget(LATER) == 0
    await settle(records)
    await records.publish()

    assert await records.tombstones.forget(NOW - timedelta(days=36_500)) == 0
    assert await records.tombstones.forget(LATER) == 1

    assert await records.claims.claim(order(2), "me") is Standing.OVER
    await records.claimed(1)


async def test_audio_is_wanted_by_the_claim_that_runs_or_succeeded(records: Records) -> None:
    await records.claimed(1, "first")
    await records.expire_leases()
    runs = await records.claims.name_audio(await records.claimed(1, "runs"))
    done = await records.claimed(2, "done")
    twice = await records.claims.name_audio(done)
    await records.claims.finish(done, SUCCEEDED)
    await records.claimed(3, "called off")
    await records.tombstones.call_off(order(3).conversion_id, Ending.CANCELLED)
    files = [
        AudioFile(AudioId("of a zombie"), ID, 1),
        AudioFile(runs, ID, 2),
        AudioFile(SUCCEEDED.stored.audio_id, order(2).conversion_id, 1),
        AudioFile(twice, order(2).conversion_id, 1),
        AudioFile(AudioId("called off"), order(3).conversion_id, 1),
    ]

    assert await records.tombstones.unwanted(files) == ["of a zombie", twice, "called off"]
    # Also what succeeded: it may have been half stored when somebody looked.
    assert await records.tombstones.held([each.audio_id for each in files]) == {
        runs,
        SUCCEEDED.stored.audio_id,
    }


async def test_audio_that_outlived_a_backup_is_not_judged(records: Records) -> None:
    await records.claimed(1, "known")
    files = [
        AudioFile(AudioId("later"), ID, 3),
        AudioFile(AudioId("same fence"), ID, 1),
        AudioFile(AudioId("unknown"), ConversionId("f" * 32), 1),
    ]

    assert await records.tombstones.unwanted(files) == []


async def test_a_success_keeps_its_audio_when_its_fence_was_raised(records: Records) -> None:
    await records.claims.finish(await records.claimed(), SUCCEEDED)
    await records.claims.announce_end(ID, 9)

    files = [AudioFile(SUCCEEDED.stored.audio_id, ID, 1)]

    assert await records.tombstones.unwanted(files) == []


@pytest.mark.parametrize("sequence", sorted(set(itertools.permutations("RRCD"))), ids="".join)
async def test_in_whatever_order_requests_and_ends_arrive_it_stays_over(
    records: Records, sequence: tuple[str, ...]
) -> None:
    for step in sequence * 10:
        match step:
            case "R":
                if isinstance(await records.claims.claim(order(), "me"), Standing):
                    await records.claims.announce_end(ID, 0)
            case "C":
                await records.tombstones.call_off(ID, Ending.CANCELLED)
            case _:
                await records.tombstones.call_off(ID, Ending.DELETED)
        await records.expire_leases()
        await settle(records)

    assert await records.due(10) == []
    assert await records.claims.claim(order(), "late") is Standing.OVER
    assert (await records.promised())[-1] == ("DeletionConfirmed", 0)


async def test_a_tombstone_keeps_id_state_fence_and_time(
    mongodb: AsyncMongoClient[mongo.Document],
) -> None:
    await mongodb.drop_database("converter")
    collection = mongo.database(mongodb, "converter")["claims"]
    claims = MongoClaimStore(collection, lease_seconds=15, promised=lambda: None)
    tombstones = MongoTombstoneStore(FakeClock(), collection, promised=lambda: None)
    await claims.claim(order(), "me")
    await tombstones.call_off(ID, Ending.DELETED)
    await collection.update_one({"_id": ID}, {"$set": {"owner": ""}})
    (called_off,) = await tombstones.unsettled(1)

    await tombstones.settle(called_off)
    await claims.claim(order(), "late")
    await claims.leave(order())

    stored = await collection.find_one({"_id": ID})
    assert stored is not None
    assert {name: stored[name] for name in ("state", "fence")} == {"state": "DELETED", "fence": 1}
    assert stored.keys() - {"outbox"} == {"_id", "state", "fence", "end_time"}
