"""What the `ClaimStore` counts when workers vanish, over the fake and over a real store."""

from __future__ import annotations

from converter_fakes import LEASE_SECONDS, order
from converter_records import Records, in_mongodb
from pymongo import AsyncMongoClient

from converter_service.domain import AttemptLimits, Attempts, DueOrder, Setback
from converter_service.ports import Standing
from tonearm_chassis import mongo


async def test_a_worker_that_vanished_is_counted_and_one_that_went_is_not(
    records: Records,
) -> None:
    await records.claims.release(await records.claimed(owner="went"), Setback.DRAINED)
    await records.claimed(owner="vanishes")
    await records.expire_leases()

    claim = await records.claimed(owner="last")

    assert claim.attempts == Attempts(losses=1)


async def test_after_several_vanished_a_conversion_rests(records: Records) -> None:
    for number in range(4):
        await records.claimed(owner=f"worker-{number}", is_alone=True)
        await records.expire_leases()

    assert await records.due(10) == []
    assert await records.claims.claim(order(), "you", is_alone=True) is Standing.HELD
    await records.pass_time(2)
    assert (await records.claimed(owner="you", is_alone=True)).attempts.losses == 4


async def test_after_two_vanished_only_who_is_alone_gets_it(records: Records) -> None:
    for owner in ("first", "second"):
        assert await records.claims.claim(order(), owner) is not Standing.HELD
        await records.expire_leases()

    assert await records.claims.due(10) == [DueOrder(order(), goes_alone=True)]
    assert await records.claims.claim(order(), "busy") is Standing.HELD
    claim = await records.claimed(owner="alone", is_alone=True)
    assert claim.attempts == Attempts(losses=2)


async def test_what_is_suspected_stays_so_after_it_was_given_back(records: Records) -> None:
    for owner in ("first", "second"):
        await records.claimed(owner=owner)
        await records.expire_leases()
    claim = await records.claimed(owner="drained", is_alone=True)

    await records.claims.release(claim, Setback.DRAINED)

    assert await records.claims.due(10) == [DueOrder(order(), goes_alone=True)]
    assert (await records.claimed(owner="you", is_alone=True)).attempts == Attempts(losses=2)


async def test_only_losses_suffered_alone_end_a_conversion(records: Records) -> None:
    for number in range(2):
        await records.claimed(owner=f"busy-{number}")
        await records.expire_leases()
    for number in range(AttemptLimits().losses_alone):
        claim = await records.claimed(owner=f"alone-{number}", is_alone=True)
        assert claim.attempts.losses_alone == number
        assert AttemptLimits().exhaustion(claim.attempts) is None
        await records.pass_time(LEASE_SECONDS + 300)

    claim = await records.claimed(owner="last", is_alone=True)

    assert AttemptLimits().exhaustion(claim.attempts) is not None


async def test_a_claim_from_before_losses_were_told_apart_goes_on(
    mongodb: AsyncMongoClient[mongo.Document], mongodb_uri: str
) -> None:
    async for records in in_mongodb(mongodb_uri):
        stale = await records.claimed(owner="old")
        older = {"$unset": {"losses_alone": "", "lone_owner": ""}, "$set": {"losses": 6}}
        claims = mongo.database(mongodb, "converter")["claims"]
        await claims.update_one({"_id": order().conversion_id}, older)
        await records.claims.renew(stale)
        await records.pass_time(LEASE_SECONDS + 300)

        claim = await records.claimed(owner="new", is_alone=True)

        assert claim.attempts == Attempts(losses=7)
