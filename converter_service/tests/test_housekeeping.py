"""What is swept away, and what stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    AudioFile,
    AudioId,
    Claim,
    Ending,
    StoredAudio,
    Succeeded,
    WorkId,
)
from converter_service.ports import Standing
from converter_service.use_cases.housekeeping import Housekeeping, Retention
from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import FakeClock

HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class World:
    """What is swept, and the broom."""

    clock: FakeClock
    claims: InMemoryClaimStore
    audio: InMemoryAudioStore
    checkpoints: InMemoryCheckpointStore
    housekeeping: Housekeeping

    async def stored(self, owner: str = "me") -> tuple[Claim, AudioId]:
        claim = await self.claims.claim(order(), owner)
        assert isinstance(claim, Claim)
        name = await self.claims.name_audio(claim)
        self.audio.keep(name, b"an MP3", claim.order.conversion_id, claim.fence)
        return claim, name

    async def succeed(self, claim: Claim, name: AudioId) -> None:
        stored = StoredAudio(name, 6, "0" * 64)
        await self.claims.finish(
            claim, Succeeded(stored, 1.0, 44_100, 2, -1.0, "x", self.clock.now())
        )


@pytest.fixture
def world() -> World:
    clock = FakeClock()
    claims, audio = InMemoryClaimStore(clock), InMemoryAudioStore(clock)
    checkpoints = InMemoryCheckpointStore(clock)
    housekeeping = Housekeeping(clock, claims, audio, checkpoints, Retention())
    return World(clock, claims, audio, checkpoints, housekeeping)


async def test_audio_that_no_outcome_names_is_swept_when_it_is_old(world: World) -> None:
    await world.stored("dies")
    world.clock.advance(LEASE_SECONDS)
    claim, name = await world.stored("you")
    await world.succeed(claim, name)

    await world.housekeeping.sweep()
    assert len(world.audio.files) == 2
    world.clock.advance(HOUR + 1)
    await world.housekeeping.sweep()

    assert set(world.audio.files) == {name}


async def test_audio_of_a_conversion_that_runs_stays_however_old(world: World) -> None:
    claim, name = await world.stored()
    world.audio.halves[AudioId("half")] = world.clock.now()
    half = await world.claims.name_audio(claim)
    world.audio.halves[half] = world.clock.now()
    world.clock.advance(12 * HOUR)

    await world.housekeeping.sweep()

    assert set(world.audio.files) == {name}
    assert set(world.audio.halves) == {half}
    await world.succeed(claim, name)
    await world.housekeeping.sweep()
    assert set(world.audio.files) == {name}


async def test_what_a_zombie_stored_after_the_end_is_swept(world: World) -> None:
    await world.claims.call_off(order().conversion_id, Ending.DELETED)
    (called_off,) = await world.claims.unsettled(1)
    await world.claims.settle(called_off)
    world.audio.keep(AudioId("late"), b"late", order().conversion_id, 1)
    world.clock.advance(HOUR + 1)

    await world.housekeeping.sweep()

    assert world.audio.files == {}


async def test_audio_of_unknown_conversions_stays_for_people_to_judge(world: World) -> None:
    world.audio.keep(AudioId("a"), b"somebody may name it", order(7).conversion_id, 1)
    world.clock.advance(DAY)

    await world.housekeeping.sweep()

    assert set(world.audio.files) == {"a"}


async def test_later_sweeps_look_at_a_day_and_the_first_one_at_all(world: World) -> None:
    looks: list[float | None] = []

    class Watched(InMemoryAudioStore):
        async def list_files(
            self, since: datetime | None, until: datetime
        ) -> AsyncIterator[list[AudioFile]]:
            looks.append(None if since is None else (until - since) / timedelta(seconds=1))
            async for files in super().list_files(since, until):
                yield files

    audio = Watched(world.clock)
    housekeeping = Housekeeping(world.clock, world.claims, audio, world.checkpoints, Retention())
    for _ in range(2):
        await housekeeping.sweep()
        world.clock.advance(60)

    assert looks == [None, DAY + 60]


async def test_tombstones_stay_for_their_time(world: World) -> None:
    await world.claims.call_off(order().conversion_id, Ending.CANCELLED)
    (called_off,) = await world.claims.unsettled(1)
    await world.claims.settle(called_off)
    world.clock.advance(13 * DAY)
    await world.housekeeping.sweep()
    assert await world.claims.claim(order(), "me") is Standing.OVER

    world.clock.advance(2 * DAY)
    await world.housekeeping.sweep()

    assert isinstance(await world.claims.claim(order(), "me"), Claim)


async def test_an_outage_only_delays_a_sweep(world: World) -> None:
    await world.stored("dies")
    world.clock.advance(LEASE_SECONDS)
    claim, name = await world.stored("you")
    await world.succeed(claim, name)
    world.clock.advance(HOUR + 1)
    world.audio.outages = 1
    with pytest.raises(Outage):
        await world.housekeeping.sweep()

    stopping = asyncio.Event()
    running = asyncio.create_task(world.housekeeping.run(stopping))
    for _ in range(20):
        await asyncio.sleep(0)
    stopping.set()
    await running

    assert set(world.audio.files) == {name}


async def test_chunks_go_when_they_are_old(world: World, tmp_path: Path) -> None:
    (chunk := tmp_path / "chunk").write_bytes(b"frames")
    await world.checkpoints.keep(order().conversion_id, WorkId("work"), 0, chunk)
    world.clock.advance(HOUR + 1)
    await world.checkpoints.keep(order().conversion_id, WorkId("work"), 1, chunk)

    await world.housekeeping.sweep()

    assert world.checkpoints.numbers() == {1}
