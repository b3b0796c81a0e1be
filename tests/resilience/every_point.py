"""The last drill of a long run: kill at the failpoints at which the storm killed nobody."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest

from .drills import Drill, DrillFailed, Ground
from .faults import FAILPOINT_KILL, Strike

TRIES = 3
REACH_SECONDS = 45.0
"""Some are reached only by a sweep, after what it sweeps has reached its age."""
LOOK_SECONDS = 0.05
TRAFFIC = (
    ("short.mp4", "end and delete"),
    ("song.m4a", "cancel"),
    ("clip.mp4", "cancel and delete"),
    ("lecture.m4a", "wait"),
)


async def reach_every_point(ground: Ground) -> None:
    """Try each that is left a few times, with traffic of every kind; fails if any is left then."""
    for _ in range(TRIES):
        for points in rounds(ground.tally.never_reached):
            await _kill_at(ground, points)
    if left := ground.tally.never_reached:
        raise DrillFailed(f"nobody was killed at {', '.join(left)}")


AFTER: dict[str, Drill] = {"points": reach_every_point}
"""The drills that come after the storm."""


def rounds(points: Sequence[str]) -> list[list[str]]:
    """Deal points out, at most one of each service at a time."""
    services: defaultdict[str, list[str]] = defaultdict(list)
    for point in points:
        services[point.partition(".")[0]].append(point)
    return [[each for each in dealt if each] for dealt in zip_longest(*services.values())]


async def _kill_at(ground: Ground, points: Sequence[str]) -> None:
    before = {point: len(await asyncio.to_thread(ground.rig.fired, point)) for point in points}
    for point in points:
        await asyncio.to_thread(ground.rig.arm, point, "kill")
    deadline = time.monotonic() + REACH_SECONDS
    traffic = asyncio.create_task(_traffic(ground))
    while before and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
        if traffic.done():
            traffic = asyncio.create_task(_traffic(ground))
        for point, count in list(before.items()):
            if len(await asyncio.to_thread(ground.rig.fired, point)) > count:
                now = time.time()
                ground.tally.note(Strike(FAILPOINT_KILL, point, now, now))
                del before[point]
    for point in before:
        await asyncio.to_thread(ground.rig.disarm, point)
    await traffic


async def _traffic(ground: Ground) -> None:
    await asyncio.gather(*(ground.customer.job(source, wish) for source, wish in TRAFFIC))
