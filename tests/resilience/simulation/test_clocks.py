"""What machines must not do whose clocks are days ahead of the store's."""

from __future__ import annotations

from .media import Kind
from .scripts import claimed_state, uploaded, worker
from .world import World

DAY_SECONDS = 86_400.0


def test_a_converter_whose_clock_is_weeks_ahead_forgets_no_tombstone(world: World) -> None:
    key = uploaded(world, Kind.LONG)
    dead = worker(world)
    world.cancel(world.gateways()[0], key)
    world.run(3.0)

    world.kill(dead, take_requests=True)
    world.start(dead.name, skew_seconds=20 * DAY_SECONDS)
    world.run(60.0)

    assert claimed_state(world, key) == "CANCELLED"


def test_a_notifier_whose_clock_is_days_ahead_gives_no_mail_up(world: World) -> None:
    for process in world.processes():
        if process.name.startswith("notifier"):
            world.kill(process, take_requests=True)
            world.start(process.name, skew_seconds=4 * DAY_SECONDS)
    world.mail_is_busy = True
    uploaded(world, Kind.SHORT)
    world.run(10.0)

    world.mail_is_busy = False
    world.run(60.0)

    assert len(world.mails) == 1
