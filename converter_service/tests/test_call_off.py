"""Calling conversions off: on this worker, on another, and when nobody answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from converter_fakes import (
    LEASE_SECONDS,
    InMemoryAudioStore,
    InMemoryCheckpointStore,
    InMemoryClaimStore,
    order,
)

from converter_service.domain import (
    AudioId,
    Claim,
    ClaimLost,
    Ending,
    Failed,
    FailureReason,
    Setback,
    StoredAudio,
    Succeeded,
    WorkId,
)
from converter_service.ports import Standing
from converter_service.use_cases.call_off import CallOff
from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import FakeClock

ID = order().conversion_id


@dataclass(frozen=True, slots=True)
class World:
    """A worker that calls off, and what it touches."""

    clock: FakeClock
    claims: InMemoryClaimStore
    audio: InMemoryAudioStore
    checkpoints: InMemoryCheckpointStore
    stopped: list[str]
    call_off: CallOff

    async def claim(self, number: int = 1, owner: str = "me") -> Claim:
        claim = await self.claims.claim(order(number), owner)
        assert isinstance(claim, Claim)
        return claim

    async def store(self, claim: Claim) -> AudioId:
        name = await self.claims.name_audio(claim)
        self.audio.keep(name, b"an MP3", claim.order.conversion_id, claim.fence)
        return name


@pytest.fixture
def world() -> World:
    clock = FakeClock()
    claims, audio = InMemoryClaimStore(clock), InMemoryAudioStore(clock)
    checkpoints = InMemoryCheckpointStore(clock)
    stopped: list[str] = []

    async def stop(conversion_id: str) -> None:
        stopped.append(conversion_id)

    return World(
        clock, claims, audio, checkpoints, stopped, CallOff(claims, audio, checkpoints, stop)
    )


async def test_the_audio_is_gone_before_the_confirmation_is_promised(world: World) -> None:
    claim = await world.claim()
    name = await world.store(claim)
    await world.claims.finish(claim, succeeded(world, name))
    world.claims.promised.clear()
    world.audio.outages = 1

    with pytest.raises(Outage):
        await world.call_off(ID, Ending.CANCELLED)
    assert world.claims.promised == []
    await world.call_off.clean_up()

    assert world.audio.files == {}
    assert world.claims.promised == [("CancellationConfirmed", 0)]


def succeeded(world: World, name: AudioId) -> Succeeded:
    return Succeeded(StoredAudio(name, 6, "0" * 64), 1.0, 44_100, 2, -1.0, "x", world.clock.now())


async def test_audio_of_every_attempt_is_gone_also_what_no_record_names(world: World) -> None:
    await world.store(await world.claim(owner="first"))
    world.clock.advance(LEASE_SECONDS)
    half = await world.claims.name_audio(await world.claim(owner="second"))
    world.audio.halves[half] = world.clock.now()
    world.audio.keep(AudioId("unknown"), b"from before a backup", ID, 9)
    world.audio.keep(AudioId("other"), b"another's", order(2).conversion_id, 1)
    world.clock.advance(LEASE_SECONDS)

    await world.call_off(ID, Ending.DELETED)

    assert set(world.audio.files) == {"other"}
    assert world.audio.halves == {}


async def test_what_runs_here_is_stopped_after_it_was_called_off(world: World) -> None:
    await world.claim()

    await world.call_off(ID, Ending.CANCELLED)

    assert world.stopped == [ID]
    assert await world.claims.claim(order(), "you") is Standing.OVER


async def test_it_is_confirmed_when_the_holder_elsewhere_let_go(world: World) -> None:
    claim = await world.claim()
    await world.call_off(ID, Ending.CANCELLED)
    await world.call_off.clean_up()
    assert world.claims.promised == []

    await world.claims.release(claim, Setback.DRAINED)
    await world.call_off.clean_up()

    assert world.claims.promised == [("CancellationConfirmed", 0)]


async def test_it_is_confirmed_when_the_lease_of_a_dead_holder_ran_out(world: World) -> None:
    await world.claim()
    await world.call_off(ID, Ending.DELETED)

    world.clock.advance(LEASE_SECONDS)
    await world.call_off.clean_up()

    assert world.claims.promised == [("DeletionConfirmed", 0)]


async def test_a_zombie_that_wakes_up_after_the_confirmation_changes_nothing(
    world: World,
) -> None:
    zombie = await world.claim()
    world.clock.advance(LEASE_SECONDS)
    await world.call_off(ID, Ending.DELETED)

    failed = Failed(FailureReason.NO_AUDIO, "", world.clock.now())
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: world.claims.name_audio(zombie),
        lambda: world.claims.finish(zombie, failed),
    ]
    for attempt in attempts:
        with pytest.raises(ClaimLost):
            await attempt()

    assert world.claims.promised == [("DeletionConfirmed", 0)]


async def test_a_repeat_cleans_up_and_confirms_again(world: World) -> None:
    await world.call_off(ID, Ending.DELETED)
    world.audio.keep(AudioId("late"), b"of a zombie", ID, 1)

    await world.call_off(ID, Ending.DELETED)

    assert world.audio.files == {}
    assert world.claims.promised == [("DeletionConfirmed", 0)] * 2


async def test_many_are_cleaned_up_in_one_go(world: World) -> None:
    for number in range(250):
        await world.claims.call_off(order(number).conversion_id, Ending.DELETED)

    await world.call_off.clean_up()

    assert world.claims.promised == [("DeletionConfirmed", 0)] * 250


async def test_an_outage_only_delays_the_clean_up(world: World) -> None:
    await world.claims.call_off(ID, Ending.DELETED)
    world.claims.outages = 1
    stopping = asyncio.Event()
    running = asyncio.create_task(world.call_off.run(stopping))
    await asyncio.sleep(0)
    stopping.set()
    await running
    assert world.claims.promised == []

    stopping.clear()
    running = asyncio.create_task(world.call_off.run(stopping))
    await asyncio.sleep(0)
    stopping.set()
    await running

    assert world.claims.promised == [("DeletionConfirmed", 0)]


@pytest.mark.parametrize("order_of_events", list(itertools.permutations(("R", "C", "D"))))
async def test_ten_times_each_in_any_order_ends_deleted(
    world: World, order_of_events: tuple[str, ...]
) -> None:
    for step in order_of_events * 10:
        if step == "R":
            await world.claims.claim(order(), "me")
        else:
            await world.call_off(ID, Ending.CANCELLED if step == "C" else Ending.DELETED)
        world.clock.advance(LEASE_SECONDS)

    await world.call_off.clean_up()

    assert await world.claims.claim(order(), "late") is Standing.OVER
    assert world.claims.promised[-1] == ("DeletionConfirmed", 0)


async def test_what_was_encoded_of_it_goes_too(world: World, tmp_path: Path) -> None:
    (chunk := tmp_path / "chunk").write_bytes(b"frames")
    await world.checkpoints.keep(ID, WorkId("work"), 0, chunk)

    await world.call_off(ID, Ending.CANCELLED)

    assert world.checkpoints.numbers() == set()
