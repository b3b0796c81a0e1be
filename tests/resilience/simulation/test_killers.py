"""What kills the process that works on it: one video, or every video of a bad release."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest

from .loop import Process
from .media import Kind
from .services import GIVE_UPS_PER_HOUR
from .world import World, determined, upload_of

# A killer needs so long to eat all memory; its process is back soon after.
SECONDS_TO_DIE = 2.0
SECONDS_TO_RESTART = 0.5
BAD_RELEASE_SECONDS = 1500.0
PATIENCE_SECONDS = 3000.0


@pytest.fixture
def world() -> Iterator[World]:
    """One converter with two slots."""
    with determined(1) as bugs:
        world = World({"gateway": 1, "converter": 1, "notifier": 1}, [0.0], bugs)
        while not world.gateways():
            assert world.step(0.0)
        yield world
        world.close()


def uploaded(world: World, *kinds: Kind) -> list[str]:
    """Upload videos; give the ids of their conversions."""
    for kind in kinds:
        world.begin_upload(world.gateways()[0], upload_of(len(world.uploads), kind))
        world.run(0.2)
    return list(world.checker.accepted_by)


def states(world: World, keys: Collection[str]) -> list[str]:
    """Read what became of conversions."""
    rows = world.server.rows_of("gateway", "conversions").documents
    return [str(rows[key]["state"]) for key in keys]


def victims(world: World, killers: Collection[str]) -> set[Process]:
    """Find the processes that work on a killer."""
    videos = {world.checker.accepted_by[key].video for key in killers}
    running = world.trouble.running.values()
    return {process for process, video in running if process and video in videos}


def die(world: World, killers: Collection[str]) -> None:
    """Let a while pass in which killers kill whoever works on them."""
    dying = victims(world, killers)
    world.run(SECONDS_TO_DIE)
    for process in dying:
        if process.is_alive:
            world.kill(process, take_requests=True)
            world.run(SECONDS_TO_RESTART)
            world.start(process.name)


def suffer(world: World, killers: Collection[str], keys: Collection[str]) -> None:
    """Let killers kill until all of `keys` are over."""
    until = world.loop.now + PATIENCE_SECONDS
    while not set(states(world, keys)) <= {"SUCCEEDED", "FAILED"}:
        assert world.loop.now < until
        die(world, killers)


def test_a_video_that_kills_its_worker_takes_none_of_its_neighbours_with_it(
    world: World,
) -> None:
    killer, innocent = uploaded(world, Kind.LONG, Kind.LONG)

    suffer(world, [killer], [killer, innocent])

    assert states(world, [killer, innocent]) == ["FAILED", "SUCCEEDED"]
    assert len(world.bus.dead_letters) == 1
    world.checker.check()


def test_a_release_that_dies_of_every_video_ends_only_a_few_and_a_rollback_rescues_the_rest(
    world: World,
) -> None:
    keys = uploaded(world, *[Kind.LONG] * (GIVE_UPS_PER_HOUR + 3))

    while world.loop.now < BAD_RELEASE_SECONDS:
        die(world, keys)
    given_up = [key for key in keys if states(world, [key]) == ["FAILED"]]
    suffer(world, [], keys)

    assert len(given_up) == GIVE_UPS_PER_HOUR
    assert sorted(states(world, keys)) == ["FAILED"] * GIVE_UPS_PER_HOUR + ["SUCCEEDED"] * 3
    world.checker.check()
