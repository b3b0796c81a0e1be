"""Which conversions a worker runs, and how many."""

from __future__ import annotations

import asyncio

import pytest
from converter_desk import Conversions
from converter_fakes import LEASE_SECONDS, InMemoryClaimStore, order

from converter_service.domain import Attempts, Claim
from converter_service.use_cases.desk import Desk
from converter_service.use_cases.suspicion import Suspicion
from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import FakeClock


async def test_an_order_is_taken_long_before_it_is_converted(
    desk: Desk, conversions: Conversions
) -> None:
    await desk.take(order())

    await conversions.until(1)
    assert not conversions.finish.is_set()
    assert desk.running == 1


async def test_the_same_order_again_changes_nothing(desk: Desk, conversions: Conversions) -> None:
    await desk.take(order())
    await desk.take(order())

    assert desk.running == 1
    assert conversions.running == [] or len(conversions.running) == 1


async def test_no_more_run_than_there_are_slots(desk: Desk, claims: InMemoryClaimStore) -> None:
    await asyncio.gather(*[desk.take(order(number)) for number in (1, 2, 3, 4)])

    assert desk.running == 2
    assert len(await claims.due_orders()) == 2


async def test_a_slot_that_gets_free_takes_the_oldest_order_that_waits(
    desk: Desk, conversions: Conversions
) -> None:
    for number in (1, 2, 4, 3):
        await desk.take(order(number))
    running = asyncio.create_task(desk.run(stopping := asyncio.Event()))

    conversions.finish.set()
    await conversions.until(4)

    assert [claim.order for claim in conversions.running][2:] == [order(3), order(4)]
    stopping.set()
    await running


async def test_what_somebody_abandoned_is_picked_up(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions, clock: FakeClock
) -> None:
    await claims.claim(order(), "somebody who dies")
    clock.advance(LEASE_SECONDS)
    running = asyncio.create_task(desk.run(stopping := asyncio.Event()))

    await conversions.until(1)

    assert conversions.running[0].fence == 2
    conversions.finish.set()
    stopping.set()
    await running


async def test_an_order_that_is_over_is_answered_again_and_not_converted(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions
) -> None:
    conversions.finish.set()
    await desk.take(order())
    await conversions.until(1)
    await asyncio.sleep(0)

    await desk.take(order())

    assert claims.promised == [("ConversionFailed", 1)] * 2
    assert len(conversions.running) == 1


async def test_an_outage_while_taking_frees_the_slot(
    desk: Desk, claims: InMemoryClaimStore
) -> None:
    claims.outages = 1

    with pytest.raises(Outage):
        await desk.take(order())

    assert desk.running == 0


async def test_while_stopping_orders_are_left_to_others(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions
) -> None:
    stopping = asyncio.Event()
    stopping.set()
    await desk.run(stopping)

    await desk.take(order())

    assert conversions.running == []
    assert await claims.due_orders() == [order()]


async def test_the_drain_waits_for_what_runs(desk: Desk, conversions: Conversions) -> None:
    await desk.take(order())
    await conversions.until(1)
    stopping = asyncio.Event()
    stopping.set()
    running = asyncio.create_task(desk.run(stopping))
    await asyncio.sleep(0)
    assert not running.done()

    conversions.finish.set()

    await running
    assert conversions.cancelled == 0


async def test_at_the_end_of_the_drain_what_runs_is_given_back(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions
) -> None:
    await desk.take(order())
    await conversions.until(1)
    running = asyncio.create_task(desk.run(asyncio.Event()))
    await asyncio.sleep(0)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert conversions.cancelled == 1
    assert await claims.due_orders() == [order()]
    claim = await claims.claim(order(), "you")
    assert isinstance(claim, Claim)
    assert (claim.fence, claim.attempts) == (2, Attempts())


async def test_a_crash_of_our_own_is_counted_and_the_worker_goes_on(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions, clock: FakeClock
) -> None:
    conversions.crash = ZeroDivisionError()
    conversions.finish.set()

    await desk.take(order())
    await conversions.until(1)
    stopping = asyncio.Event()
    stopping.set()
    await desk.run(stopping)

    assert claims.attempts(order().conversion_id) == Attempts(engine_failures=1)
    assert await claims.due_orders() == []
    clock.advance(10)
    assert await claims.due_orders() == [order()]


async def test_what_is_stopped_is_over_when_stop_returns(
    desk: Desk, conversions: Conversions
) -> None:
    await desk.take(order(1))
    await desk.take(order(2))
    await conversions.until(2)

    await desk.stop(order(1).conversion_id)

    assert conversions.cancelled == 1
    assert desk.running == 1
    await desk.stop(order(9).conversion_id)


def suspect(suspicion: Suspicion) -> None:
    for number in (1, 2, 3):
        suspicion.failed(order(number).conversion_id)


async def test_a_suspected_engine_probes_one_at_a_time_after_a_rest(
    desk: Desk, suspicion: Suspicion, clock: FakeClock
) -> None:
    suspect(suspicion)
    for number in (4, 5):
        await desk.take(order(number))
    assert desk.running == 0
    clock.advance(1)

    for number in (4, 5):
        await desk.take(order(number))

    assert desk.running == 1
    suspicion.worked()
    await desk.take(order(5))
    assert desk.running == 2


async def test_a_probe_is_one_that_the_engine_has_not_failed_with(
    desk: Desk, conversions: Conversions, suspicion: Suspicion, clock: FakeClock
) -> None:
    suspect(suspicion)
    for number in (1, 2, 3, 4):
        await desk.take(order(number))
    clock.advance(1)
    running = asyncio.create_task(desk.run(stopping := asyncio.Event()))

    await conversions.until(1)

    assert conversions.running[0].order == order(4)
    conversions.finish.set()
    stopping.set()
    await running


def test_probes_get_rarer_up_to_a_minute(suspicion: Suspicion, clock: FakeClock) -> None:
    rests = []
    for number in range(2 + 10):
        suspicion.failed(order(number).conversion_id)
        rest = 0
        while suspicion.is_raised and not suspicion.slots(2):
            clock.advance(1)
            rest += 1
        rests.append(rest)

    assert rests == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


async def test_crashes_of_our_own_raise_suspicion_too(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions, clock: FakeClock
) -> None:
    conversions.crash = ZeroDivisionError()
    conversions.finish.set()
    for number in (1, 2, 3, 4):
        clock.advance(1)
        await desk.take(order(number))
        await conversions.until(number)
        for _ in range(3):
            await asyncio.sleep(0)

    assert claims.attempts(order(4).conversion_id) == Attempts(outages=1)
