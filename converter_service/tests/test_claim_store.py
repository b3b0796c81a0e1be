"""The contract of the `ClaimStore`, over the fake and over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from converter_fakes import LEASE_SECONDS, InMemoryClaimStore, order

from converter_service.adapters.mongo_claims import MongoClaimStore
from converter_service.domain import (
    AudioId,
    Claim,
    ClaimLost,
    Failed,
    FailureReason,
    StoredAudio,
    Succeeded,
)
from converter_service.ports import ClaimStore, Standing
from tonearm_chassis import mongo
from tonearm_chassis.outbox import MongoOutbox
from tonearm_chassis.testing.clock import FakeClock

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
FAILED = Failed(FailureReason.NO_AUDIO, "The video has no audio track.", NOW)
SUCCEEDED = Succeeded(
    stored=StoredAudio(AudioId("a" * 32), 1000, "0" * 64),
    seconds=1.5,
    sample_rate_hz=44_100,
    channels=2,
    peak_dbfs=-1.0,
    engine="ffmpeg 9",
    end_time=NOW,
)

Promised = Callable[[], Awaitable[list[tuple[str, int]]]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A store, its time machine, and what it promised so far."""

    store: ClaimStore
    expire_leases: Callable[[], Awaitable[None]]
    promised: Promised

    async def claimed(self, number: int = 1, owner: str = "me") -> Claim:
        claim = await self.store.claim(order(number), owner)
        assert isinstance(claim, Claim)
        return claim


@pytest.fixture(params=["memory", "mongodb"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        yield _in_memory()
        return
    async with mongo.connect(request.getfixturevalue("mongodb_uri")) as client:
        await client.drop_database("converter")
        collection = mongo.database(client, "converter")["claims"]
        store = MongoClaimStore(collection, lease_seconds=LEASE_SECONDS, promised=lambda: None)
        outbox = MongoOutbox(collection)
        await store.prepare()
        await outbox.prepare()

        async def expire_leases() -> None:
            await collection.update_many({}, {"$set": {"lease_until": NOW}})

        async def promised() -> list[tuple[str, int]]:
            return [
                (entry.envelope.type.rpartition(".")[2], entry.envelope.payload[35])
                for entry in await outbox.pending(100)
            ]

        yield Subject(store, expire_leases, promised)


def _in_memory() -> Subject:
    clock = FakeClock()
    store = InMemoryClaimStore(clock)

    async def expire_leases() -> None:
        clock.advance(LEASE_SECONDS)

    async def promised() -> list[tuple[str, int]]:
        return list(store.promised)

    return Subject(store, expire_leases, promised)


async def test_the_first_to_ask_gets_the_claim(subject: Subject) -> None:
    claim = await subject.store.claim(order(), "me")

    assert claim == Claim(order(), fence=1, engine_failures=0)


async def test_a_claim_under_lease_is_held(subject: Subject) -> None:
    await subject.claimed(owner="me")

    assert await subject.store.claim(order(), "you") is Standing.HELD


async def test_a_repeat_by_the_same_owner_gets_the_same_claim(subject: Subject) -> None:
    first = await subject.claimed(owner="me")

    assert await subject.store.claim(order(), "me") == first


async def test_of_many_who_ask_at_once_one_gets_it(subject: Subject) -> None:
    answers = await asyncio.gather(
        *[subject.store.claim(order(), f"worker-{number}") for number in range(8)]
    )

    assert sum(isinstance(answer, Claim) for answer in answers) == 1


async def test_after_the_lease_another_gets_it_with_a_higher_fence(subject: Subject) -> None:
    await subject.claimed(owner="me")
    await subject.expire_leases()

    claim = await subject.claimed(owner="you")

    assert claim.fence == 2


async def test_a_renewed_lease_holds(subject: Subject) -> None:
    claim = await subject.claimed()
    await subject.expire_leases()

    await subject.store.renew(claim)

    assert await subject.store.claim(order(), "you") is Standing.HELD


async def test_whoever_was_overtaken_can_do_nothing(subject: Subject) -> None:
    stale = await subject.claimed(owner="me")
    await subject.expire_leases()
    await subject.claimed(owner="you")

    for attempt in (
        subject.store.renew(stale),
        subject.store.announce_start(stale, NOW),
        subject.store.finish(stale, FAILED),
    ):
        with pytest.raises(ClaimLost):
            await attempt
    await subject.store.release(stale, rest_seconds=0, engine_failed=True)
    assert await subject.store.claim(order(), "third") is Standing.HELD
    assert await subject.promised() == []


async def test_an_outcome_is_recorded_with_its_event(subject: Subject) -> None:
    claim = await subject.claimed()

    await subject.store.announce_start(claim, NOW)
    await subject.store.finish(claim, SUCCEEDED)

    assert sorted(await subject.promised()) == [
        ("ConversionStarted", 1),
        ("ConversionSucceeded", 1),
    ]
    assert await subject.store.claim(order(), "you") is Standing.OVER


async def test_finishing_again_changes_nothing(subject: Subject) -> None:
    claim = await subject.claimed()
    await subject.store.finish(claim, FAILED)

    await subject.store.finish(claim, FAILED)

    assert await subject.promised() == [("ConversionFailed", 1)]


async def test_renewing_after_the_own_outcome_is_no_loss(subject: Subject) -> None:
    claim = await subject.claimed()
    await subject.store.finish(claim, SUCCEEDED)

    await subject.store.renew(claim)

    assert await subject.store.claim(order(), "you") is Standing.OVER


async def test_an_outcome_is_never_replaced_by_another_claims(subject: Subject) -> None:
    stale = await subject.claimed(owner="me")
    await subject.expire_leases()
    await subject.store.finish(await subject.claimed(owner="you"), SUCCEEDED)

    with pytest.raises(ClaimLost):
        await subject.store.finish(stale, FAILED)

    assert await subject.promised() == [("ConversionSucceeded", 2)]


@pytest.mark.parametrize("outcome", [SUCCEEDED, FAILED])
async def test_an_outcome_can_be_announced_again(
    subject: Subject, outcome: Succeeded | Failed
) -> None:
    claim = await subject.claimed()
    await subject.store.finish(claim, outcome)
    (event,) = await subject.promised()

    await subject.store.announce_outcome(order().conversion_id)

    assert set(await subject.promised()) == {event}


async def test_nothing_is_announced_for_what_has_no_outcome(subject: Subject) -> None:
    await subject.claimed()

    await subject.store.announce_outcome(order().conversion_id)
    await subject.store.announce_outcome(order(9).conversion_id)

    assert await subject.promised() == []


async def test_orders_left_behind_are_due_oldest_first(subject: Subject) -> None:
    for number in (3, 1, 2):
        assert await subject.store.leave(order(number)) is None

    assert await subject.store.due(2) == [order(1), order(2)]


async def test_leaving_an_order_that_is_known_changes_nothing(subject: Subject) -> None:
    await subject.claimed(1)
    await subject.store.finish(await subject.claimed(2), FAILED)

    assert await subject.store.leave(order(1)) is None
    assert await subject.store.leave(order(2)) is Standing.OVER
    assert await subject.store.due(10) == []


async def test_what_lost_its_holder_is_due(subject: Subject) -> None:
    await subject.claimed()
    assert await subject.store.due(10) == []

    await subject.expire_leases()

    assert await subject.store.due(10) == [order()]


async def test_a_released_claim_is_free_at_once(subject: Subject) -> None:
    claim = await subject.claimed(owner="me")

    await subject.store.release(claim, rest_seconds=0, engine_failed=False)

    assert await subject.store.claim(order(), "you") == Claim(order(), 2, engine_failures=0)


async def test_a_released_claim_may_rest_first(subject: Subject) -> None:
    claim = await subject.claimed()

    await subject.store.release(claim, rest_seconds=5, engine_failed=False)

    assert await subject.store.due(10) == []


async def test_engine_failures_are_counted(subject: Subject) -> None:
    for number in range(2):
        claim = await subject.claimed(owner=f"worker-{number}")
        await subject.store.release(claim, rest_seconds=0, engine_failed=True)

    assert (await subject.claimed(owner="last")).engine_failures == 2


async def test_what_was_called_off_is_lost_to_its_holder_and_over(subject: Subject) -> None:
    claim = await subject.claimed()

    await subject.store.call_off(order().conversion_id)

    with pytest.raises(ClaimLost):
        await subject.store.renew(claim)
    with pytest.raises(ClaimLost):
        await subject.store.finish(claim, FAILED)
    assert await subject.store.claim(order(), "you") is Standing.OVER
    assert await subject.promised() == []


async def test_what_was_called_off_before_it_came_stays_off(subject: Subject) -> None:
    await subject.store.call_off(order().conversion_id)

    assert await subject.store.claim(order(), "me") is Standing.OVER
    assert await subject.store.due(10) == []


async def test_an_outcome_survives_being_called_off(subject: Subject) -> None:
    await subject.store.finish(await subject.claimed(), SUCCEEDED)

    await subject.store.call_off(order().conversion_id)
    await subject.store.announce_outcome(order().conversion_id)

    assert set(await subject.promised()) == {("ConversionSucceeded", 1)}
