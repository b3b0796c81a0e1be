"""Draw faults from a seed and let them strike, several at once, until there were enough."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from tonearm_local.supervision import Away

from . import points
from .faults import KINDS, Arena, Kind, NoFault
from .tally import Tally

AT_ONCE = 6
TRIES = 3
"""So often is a point armed that nobody comes along; some are reached only after a deletion."""
PATIENCE = 4
"""A storm lasts at most so many times as long as it should, and a bit."""
BIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be like; the same plan draws the same faults in the same order."""

    seed: int
    faults: int
    conversions: int = 0
    rate: float = 1.0
    customers: int = 6
    only: tuple[str, ...] = ()
    drills: tuple[str, ...] = ()


class Storm:
    """The faults of one run; every failpoint is killed at once, then any of them again."""

    def __init__(self, arena: Arena, plan: Plan, tally: Tally) -> None:
        """Count in `tally` what strikes, beside what has struck before."""
        self._tally = tally
        self._arena = arena
        self._plan = plan
        self._chance = random.Random(plan.seed)
        self._kinds = [kind for kind in KINDS if self._is_possible(kind)]
        arena.next_points = TRIES * self._chance.sample(points.POINTS, len(points.POINTS))

    async def run(self) -> None:
        """Strike until there were enough faults, or too much time is gone."""
        places = asyncio.Semaphore(AT_ONCE)
        deadline = time.monotonic() + PATIENCE * self._plan.faults / self._plan.rate + BIT_SECONDS
        async with asyncio.TaskGroup() as group:
            while len(self._tally.strikes) < self._plan.faults and time.monotonic() < deadline:
                weights = [kind.weight for kind in self._kinds]
                (kind,) = self._chance.choices(self._kinds, weights)
                drawn = random.Random(self._chance.random())
                await places.acquire()
                task = group.create_task(self._strike(kind, drawn))
                task.add_done_callback(lambda _: places.release())
                await asyncio.sleep(drawn.uniform(0.5, 1.5) / self._plan.rate)

    def _is_possible(self, kind: Kind) -> bool:
        if self._plan.only and kind.name not in self._plan.only:
            return False
        there = {*self._arena.rig.stores, *(["small-disk"] if self._arena.small_disks else [])}
        return not kind.needs or kind.needs in there

    async def _strike(self, kind: Kind, chance: random.Random) -> None:
        try:
            await kind.strike(self._arena, chance, self._tally.note)
        except (NoFault, Away, TimeoutError) as nothing:
            self._tally.note_nothing(kind.name, nothing)
