"""How a worker converts alone what is suspected of killing workers."""

from __future__ import annotations

import asyncio

from converter_desk import Conversions
from converter_fakes import LEASE_SECONDS, InMemoryClaimStore, order

from converter_service.domain import Claim
from converter_service.use_cases.desk import Desk, is_held_back
from converter_service.use_cases.suspicion import Suspicion
from tonearm_chassis.testing.clock import FakeClock


async def suspected(claims: InMemoryClaimStore, clock: FakeClock, number: int = 1) -> None:
    for owner in ("dies", "dies, too"):
        assert isinstance(await claims.claim(order(number), owner), Claim)
        clock.advance(LEASE_SECONDS)


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_is_suspected_is_converted_alone(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions, clock: FakeClock
) -> None:
    await suspected(claims, clock)
    await claims.leave(order(2))
    running = asyncio.create_task(desk.run(stopping := asyncio.Event()))

    await conversions.until(1)
    await desk.take(order(3))
    await turns()

    assert [claim.order for claim in conversions.running] == [order(1)]
    conversions.finish.set()
    await conversions.until(3)
    stopping.set()
    await running


async def test_what_is_suspected_is_not_taken_beside_another(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions, clock: FakeClock
) -> None:
    await desk.take(order(2))
    await conversions.until(1)
    await suspected(claims, clock)

    await desk.take(order(1))

    assert desk.running == 1
    assert order(1) in await claims.due_orders()


async def test_what_is_suspected_gets_its_turn_although_others_keep_coming(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions, clock: FakeClock
) -> None:
    await suspected(claims, clock, 2)
    await desk.take(order(1))
    await conversions.until(1)
    running = asyncio.create_task(desk.run(stopping := asyncio.Event()))
    await turns()

    for number in (3, 4):
        await desk.take(order(number))
        await turns()

    assert desk.running == 1
    conversions.finish.set()
    await conversions.until(2)
    assert conversions.running[1].order == order(2)
    stopping.set()
    await running


async def test_several_that_are_suspected_are_converted_one_after_the_other(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions, clock: FakeClock
) -> None:
    for number in (1, 2, 3):
        await suspected(claims, clock, number)
    beside: list[int] = []
    conversions.begun = lambda: beside.append(desk.running)
    conversions.finish.set()
    running = asyncio.create_task(desk.run(stopping := asyncio.Event()))

    await conversions.until(3)

    assert beside == [1, 1, 1]
    stopping.set()
    await running


async def test_what_another_worker_took_alone_holds_nobody_up(
    desk: Desk, claims: InMemoryClaimStore, conversions: Conversions, clock: FakeClock
) -> None:
    await suspected(claims, clock)
    await claims.claim(order(1), "another", is_alone=True)
    running = asyncio.create_task(desk.run(stopping := asyncio.Event()))
    await turns()

    for number in (2, 3):
        await desk.take(order(number))

    assert desk.running == 2
    conversions.finish.set()
    stopping.set()
    await running


def test_others_wait_for_one_that_waits_half_of_the_time_at_most() -> None:
    held = [is_held_back(minute * 60.0) for minute in range(15)]

    assert "".join("-+"[each] for each in held) == "+-++--++++----+"


async def test_what_waits_for_long_lets_others_pass(
    claims: InMemoryClaimStore, conversions: Conversions, suspicion: Suspicion, clock: FakeClock
) -> None:
    await suspected(claims, clock)
    await claims.leave(order(2))
    await claims.leave(order(3))
    desk = Desk(claims, conversions, suspicion, slots=2, hold=lambda _: False)
    await desk.take(order(2))
    running = asyncio.create_task(desk.run(stopping := asyncio.Event()))

    await conversions.until(2)

    assert [claim.order for claim in conversions.running] == [order(2), order(3)]
    conversions.finish.set()
    await conversions.until(3)
    stopping.set()
    await running
