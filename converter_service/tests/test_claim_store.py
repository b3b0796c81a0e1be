"""The contract of the `ClaimStore`, over the fake and over a real store."""

from __future__ import annotations

import asyncio

import pytest
from converter_fakes import order
from converter_records import FAILED, NOW, SUCCEEDED, Records

from converter_service.domain import (
    Attempts,
    Claim,
    ClaimLost,
    Outcome,
    Setback,
)
from converter_service.ports import Standing


async def test_the_first_to_ask_gets_the_claim(records: Records) -> None:
    claim = await records.claims.claim(order(), "me")

    assert claim == Claim(order(), fence=1, owner="me")


async def test_a_claim_under_lease_is_held(records: Records) -> None:
    await records.claimed(owner="me")

    assert await records.claims.claim(order(), "you") is Standing.HELD


async def test_a_repeat_by_the_same_owner_gets_the_same_claim(records: Records) -> None:
    first = await records.claimed(owner="me")

    assert await records.claims.claim(order(), "me") == first


async def test_of_many_who_ask_at_once_one_gets_it(records: Records) -> None:
    answers = await asyncio.gather(
        *[records.claims.claim(order(), f"worker-{number}") for number in range(8)]
    )

    assert sum(isinstance(answer, Claim) for answer in answers) == 1


async def test_after_the_lease_another_gets_it_with_a_higher_fence(records: Records) -> None:
    await records.claimed(owner="me")
    await records.expire_leases()

    claim = await records.claimed(owner="you")

    assert claim.fence == 2


async def test_a_renewed_lease_holds(records: Records) -> None:
    claim = await records.claimed()
    await records.expire_leases()

    await records.claims.renew(claim)

    assert await records.claims.claim(order(), "you") is Standing.HELD


async def test_whoever_was_overtaken_can_do_nothing(records: Records) -> None:
    stale = await records.claimed(owner="me")
    await records.expire_leases()
    await records.claimed(owner="you")

    for attempt in (
        records.claims.renew(stale),
        records.claims.announce_start(stale, NOW),
        records.claims.name_audio(stale),
        records.claims.finish(stale, FAILED),
    ):
        with pytest.raises(ClaimLost):
            await attempt
    assert not await records.claims.release(stale, Setback.ENGINE_FAILED)
    assert await records.claims.claim(order(), "third") is Standing.HELD
    assert await records.promised() == []


async def test_an_outcome_is_recorded_with_its_event(records: Records) -> None:
    claim = await records.claimed()

    await records.claims.announce_start(claim, NOW)
    await records.claims.finish(claim, SUCCEEDED)

    assert sorted(await records.promised()) == [
        ("ConversionStarted", 1),
        ("ConversionSucceeded", 1),
    ]
    assert await records.claims.claim(order(), "you") is Standing.OVER


async def test_finishing_again_changes_nothing(records: Records) -> None:
    claim = await records.claimed()
    await records.claims.finish(claim, FAILED)

    await records.claims.finish(claim, FAILED)

    assert await records.promised() == [("ConversionFailed", 1)]


async def test_renewing_after_the_own_outcome_is_no_loss(records: Records) -> None:
    claim = await records.claimed()
    await records.claims.finish(claim, SUCCEEDED)

    await records.claims.renew(claim)

    assert await records.claims.claim(order(), "you") is Standing.OVER


async def test_an_outcome_is_never_replaced_by_another_claims(records: Records) -> None:
    stale = await records.claimed(owner="me")
    await records.expire_leases()
    await records.claims.finish(await records.claimed(owner="you"), SUCCEEDED)

    with pytest.raises(ClaimLost):
        await records.claims.finish(stale, FAILED)

    assert await records.promised() == [("ConversionSucceeded", 2)]


@pytest.mark.parametrize("outcome", [SUCCEEDED, FAILED])
async def test_an_outcome_can_be_announced_again(records: Records, outcome: Outcome) -> None:
    claim = await records.claimed()
    await records.claims.finish(claim, outcome)
    (event,) = await records.promised()

    await records.claims.announce_end(order().conversion_id, 0)

    assert set(await records.promised()) == {event}


async def test_nothing_is_announced_for_what_has_no_outcome(records: Records) -> None:
    await records.claimed()

    await records.claims.announce_end(order().conversion_id, 0)
    await records.claims.announce_end(order(9).conversion_id, 0)

    assert await records.promised() == []


async def test_orders_left_behind_are_due_oldest_first(records: Records) -> None:
    for number in (3, 1, 2):
        assert await records.claims.leave(order(number)) is None

    assert await records.due(2) == [order(1), order(2)]


async def test_leaving_an_order_that_is_known_changes_nothing(records: Records) -> None:
    await records.claimed(1)
    await records.claims.finish(await records.claimed(2), FAILED)

    assert await records.claims.leave(order(1)) is None
    assert await records.claims.leave(order(2)) is Standing.OVER
    assert await records.due(10) == []


async def test_what_lost_its_holder_is_due(records: Records) -> None:
    await records.claimed()
    assert await records.due(10) == []

    await records.expire_leases()

    assert await records.due(10) == [order()]


async def test_a_released_claim_is_free_at_once(records: Records) -> None:
    claim = await records.claimed(owner="me")

    await records.claims.release(claim, Setback.DRAINED)

    assert await records.claims.claim(order(), "you") == Claim(order(), 2, "you")


@pytest.mark.parametrize(
    ("setback", "rests"),
    [
        (Setback.ENGINE_FAILED, [1, 2, 4]),
        (Setback.OUTAGE, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
        (Setback.NO_ROOM, [2, 4, 8]),
    ],
)
async def test_a_setback_is_counted_and_rests_grow(
    records: Records, setback: Setback, rests: list[float]
) -> None:
    attempts = Attempts()
    for number, rest in enumerate(rests):
        claim = await records.claimed(owner=f"worker-{number}")
        assert claim.attempts == attempts
        attempts = attempts.after(setback)

        assert await records.claims.release(claim, setback)

        await records.pass_time(rest - 0.9)
        assert await records.due(10) == []
        assert await records.claims.claim(order(), "you") is Standing.HELD
        await records.pass_time(0.9)
        assert await records.due(10) == [order()]


async def test_a_resting_order_holds_up_nobody(records: Records) -> None:
    await records.claims.release(await records.claimed(1), Setback.NO_ROOM)
    for number in (3, 2):
        await records.claims.leave(order(number))

    assert await records.due(1) == [order(2)]


async def test_a_holder_who_looks_learns_what_became_of_the_claim(records: Records) -> None:
    stale = await records.claimed(1, "me")
    await records.claims.look(stale)
    await records.expire_leases()
    await records.claims.look(stale)
    claim = await records.claimed(1, "you")
    with pytest.raises(ClaimLost):
        await records.claims.look(stale)

    await records.claims.finish(claim, SUCCEEDED)

    await records.claims.look(claim)
    with pytest.raises(ClaimLost):
        await records.claims.look(stale)


async def test_a_dead_letter_is_promised_with_its_outcome_and_once(records: Records) -> None:
    claim = await records.claimed()

    for _ in range(2):
        await records.claims.finish(claim, FAILED, letter_reason="no luck")

    assert sorted(await records.promised()) == [("ConversionFailed", 1), ("dead-letter", 0)]


async def test_a_claim_has_a_higher_fence_than_the_gateway_ever_heard_of(
    records: Records,
) -> None:
    assert (await records.claimed(1, fence_floor=7)).fence == 8
    await records.claims.leave(order(2, fence_floor=3))
    assert (await records.claimed(2, fence_floor=1)).fence == 2


async def test_an_order_that_waits_learns_of_a_higher_fence(records: Records) -> None:
    await records.claims.leave(order())

    await records.claims.leave(order(fence_floor=7))
    await records.claims.leave(order(fence_floor=2))

    assert await records.due(1) == [order(fence_floor=7)]


async def test_an_outcome_is_announced_so_that_a_gateway_which_knows_more_believes_it(
    records: Records,
) -> None:
    await records.claims.finish(await records.claimed(), SUCCEEDED)
    await records.publish()

    await records.claims.announce_end(order().conversion_id, 5)
    await records.claims.announce_end(order().conversion_id, 4)

    assert set(await records.promised()) == {("ConversionSucceeded", 5)}


async def test_a_worker_from_before_a_restored_backup_can_do_nothing(records: Records) -> None:
    await records.claimed(owner="first")
    await records.expire_leases()
    zombie = await records.claimed(owner="zombie")
    await records.restore(1, "first")
    await records.expire_leases()

    again = await records.claimed(owner="new", is_alone=True)

    assert again.fence == zombie.fence
    for attempt in (
        records.claims.look(zombie),
        records.claims.renew(zombie),
        records.claims.announce_start(zombie, NOW),
        records.claims.name_audio(zombie),
        records.claims.finish(zombie, FAILED),
    ):
        with pytest.raises(ClaimLost):
            await attempt
    assert not await records.claims.release(zombie, Setback.DRAINED)
    await records.claims.finish(again, SUCCEEDED)
    with pytest.raises(ClaimLost):
        await records.claims.finish(zombie, FAILED)
    assert await records.promised() == [("ConversionSucceeded", 2)]


async def test_a_request_after_a_restored_backup_gets_a_fence_that_is_new(
    records: Records,
) -> None:
    await records.claimed(owner="first")
    await records.restore(1, "first")
    await records.expire_leases()

    assert (await records.claimed(owner="new", fence_floor=6)).fence == 7


async def test_every_attempt_to_store_has_a_name_that_the_next_holder_learns(
    records: Records,
) -> None:
    claim = await records.claimed(owner="me")
    names = {await records.claims.name_audio(claim) for _ in range(2)}
    await records.expire_leases()

    assert len(names) == 2
    assert (await records.claimed(owner="you")).left_behind == names


async def test_an_owner_who_has_to_claim_again_gets_a_new_fence_and_the_old_one_is_stale(
    records: Records,
) -> None:
    stale = await records.claimed(owner="me")
    await records.expire_leases()

    claim = await records.claimed(owner="me")

    assert claim.fence == 2
    with pytest.raises(ClaimLost):
        await records.claims.renew(stale)
    with pytest.raises(ClaimLost):
        await records.claims.finish(stale, FAILED)
