"""Each process is killed at its failpoints, and everything that was accepted ends well.

Every round kills a gateway and a converter at two points, and the notifier at one or two, while a
conversion is made, one is called off and one is deleted. Here a point is armed before or after its
step, in turn; `make chaos` kills at all of them.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from .points import STEPS
from .rig import Rig
from .trial import Trial

REACH_SECONDS = 20.0


ROUNDS = 8


def rounds() -> list[tuple[str, ...]]:
    """Deal the points of each service out to the rounds."""
    dealt: list[tuple[str, ...]] = [()] * ROUNDS
    for service, steps in STEPS.items():
        for number, step in enumerate(steps):
            moment = ("before", "after")[number // ROUNDS % 2 ^ number % 2]
            dealt[number % ROUNDS] += (f"{service}.{step}.{moment}",)
    return dealt


@pytest.mark.parametrize("points", rounds(), ids=" ".join)
async def test_nothing_is_lost_by_a_kill_of_each_process(
    rig: Rig, trial: Trial, points: tuple[str, ...]
) -> None:
    before = {point: len(rig.fired(point)) for point in points}
    for point in points:
        rig.arm(point, "kill")

    await asyncio.gather(made(trial), called_off(trial), deleted(trial))
    await reached(rig, before)

    assert await trial.findings() == []


async def made(trial: Trial) -> None:
    """Have a conversion that takes a few heartbeats."""
    assert await trial.ended(await trial.upload("lecture.m4a")) == ["SUCCEEDED"]


async def called_off(trial: Trial) -> None:
    """Call off a conversion, if it is not over by then."""
    conversion = await trial.upload("song.m4a")
    await trial.caller.cancel(conversion)
    assert await trial.ended(conversion) in (["CANCELLED"], ["SUCCEEDED"])


async def deleted(trial: Trial) -> None:
    """Delete a conversion that is over."""
    conversion = await trial.upload("short.mp4")
    assert await trial.ended(conversion) == ["SUCCEEDED"]
    assert await trial.caller.delete(conversion)


async def reached(rig: Rig, before: dict[str, int]) -> None:
    """Wait until somebody has come to each point."""
    missing = set(before)
    deadline = time.monotonic() + REACH_SECONDS
    while missing and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        missing = {point for point in missing if len(rig.fired(point)) == before[point]}
    assert not missing
