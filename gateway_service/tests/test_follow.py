"""Applying news once, and reminding whoever is silent."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from gateway_fakes import AUDIO, RETENTION, InMemoryConversionStore, new_conversion
from gateway_world import Kept, World

from gateway_service.domain import (
    Awaited,
    Conversion,
    ConversionId,
    Notified,
    Progressed,
    Started,
    State,
    Succeeded,
)
from gateway_service.use_cases.follow import BATCH, MAX_REMIND_SECONDS
from tonearm_chassis.testing.clock import START

SUCCEEDED = Succeeded(1, AUDIO, START)


class RacingStore(InMemoryConversionStore):
    """A store in which somebody else is always a little faster the first time."""

    raced = False

    async def replace(self, old: Conversion, new: Conversion) -> bool:
        if not self.raced:
            self.raced = True
            rival = old.after(Progressed(1, 0.3), START)
            assert rival is not None
            await super().replace(old, rival)
        return await super().replace(old, new)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_second_delivery_of_the_same_event_asks_for_no_second_notice(world: World) -> None:
    own = await world.conversions.add(new_conversion())

    for _ in range(3):
        await world.apply(own.id, SUCCEEDED)

    assert world.conversions.rows[own.id].state is State.SUCCEEDED
    assert world.conversions.asked(Awaited.NOTICE) == 1


async def test_news_of_a_conversion_that_is_gone_is_dropped(world: World) -> None:
    await world.apply(ConversionId("gone"), SUCCEEDED)

    assert not world.conversions.rows


async def test_of_two_that_apply_at_once_neither_is_lost() -> None:
    world = World(Kept(RacingStore()))
    own = await world.conversions.add(new_conversion())

    await world.apply(own.id, SUCCEEDED)

    ended = world.conversions.rows[own.id]
    assert (ended.state, ended.revision) == (State.SUCCEEDED, 2)


async def test_a_conversion_that_shows_signs_of_life_is_left_alone(world: World) -> None:
    own = await world.conversions.add(new_conversion())

    world.kept.clock.advance(9)
    await world.apply(own.id, Started(1, START))
    world.kept.clock.advance(9)

    assert await world.reminder.sweep() == 0


async def test_a_silent_conversion_is_asked_for_again(world: World) -> None:
    await world.conversions.add(new_conversion())

    world.kept.clock.advance(11)

    assert await world.reminder.sweep() == 1
    assert world.conversions.asked(Awaited.OUTCOME) == 2
    assert world.relay.count == 1


async def test_pauses_between_reminders_double_up_to_a_limit(world: World) -> None:
    await world.conversions.add(new_conversion())
    times = []

    for second in range(1, 2000):
        world.kept.clock.advance(1)
        if await world.reminder.sweep():
            times.append(second)

    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert times[0] == 10
    assert pauses[:5] == [20, 40, 80, 160, MAX_REMIND_SECONDS]
    assert set(pauses[4:]) == {MAX_REMIND_SECONDS}


async def test_a_notice_is_asked_for_until_it_is_acknowledged(world: World) -> None:
    own = await world.conversions.add(new_conversion())
    await world.apply(own.id, SUCCEEDED)

    world.kept.clock.advance(11)
    await world.reminder.sweep()
    await world.apply(own.id, Notified())
    world.kept.clock.advance(10_000)
    await world.reminder.sweep()

    assert world.conversions.asked(Awaited.NOTICE) == 2


async def test_a_replaced_broker_makes_all_that_waits_due_at_once(world: World) -> None:
    queued = await world.conversions.add(new_conversion())
    await world.conversions.add(new_conversion())
    ended = await world.conversions.add(new_conversion())
    await world.apply(ended.id, SUCCEEDED)
    await world.apply(ended.id, Notified())
    world.kept.clock.advance(11)
    await world.reminder.sweep()

    await world.reminder.rush()

    assert await world.reminder.sweep() == 2
    assert await world.reminder.sweep() == 0
    assert world.conversions.asked(Awaited.OUTCOME) == 3 + 2 + 2
    assert world.conversions.rows[queued.id].reminders == 2


async def test_the_reminder_goes_on_until_nothing_is_due(world: World) -> None:
    for _ in range(2 * BATCH + 1):
        await world.conversions.add(new_conversion(age=20))
    stopping = asyncio.Event()

    running = asyncio.create_task(world.reminder.run(stopping))
    for _ in range(20):
        await asyncio.sleep(0)
    stopping.set()
    await asyncio.wait_for(running, 5)

    assert await world.conversions.silent(world.clock.now(), 1) == []


async def test_what_ends_is_kept_for_as_long_as_the_settings_say(world: World) -> None:
    own = await world.conversions.add(new_conversion())

    world.kept.clock.advance(60)
    await world.apply(own.id, SUCCEEDED)

    ended = world.conversions.rows[own.id]
    assert ended.video_expire_time == world.clock.now() + RETENTION.video
    assert ended.audio_expire_time == world.clock.now() + RETENTION.audio
