"""What a storm leaves to chance and a long run must have seen: drills, one after the other.

They are held among customers who do as they always do. What strikes in them counts like any other
fault, under names of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import Random

from tonearm_local.supervision import Away

from .caller import Caller, GaveUp
from .customers import Customer, Job, Market
from .faults import Arena, Strike, send_away, wipe
from .rig import CONVERTERS, Rig
from .tally import Tally
from .trial import encoders

LONGEST_SECONDS = 600.0
WIPES, JOBS_A_WIPE = 10, 10
CAUGHT_TWICE = 4
"""So many of the jobs of one wipe are still going at the next; more would only be a queue."""
AWAY_SECONDS = 30.0
LEASE_SECONDS = 15
FROZEN_SECONDS = 3.0 * LEASE_SECONDS
BUSY_SECONDS = 60.0
LOOK_SECONDS = 0.05
ACCOUNT_STEPS = ("find_request.before", "find_request.after", "add.before", "add.after")


class DrillFailed(Exception):
    """A drill could not be held, or showed a bug."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where drills are held, with a customer who does as the drill says."""

    arena: Arena
    market: Market
    tally: Tally
    customer: Customer
    newcomer: Callable[[], Caller]
    chance: Random

    @property
    def rig(self) -> Rig:
        """The stack."""
        return self.arena.rig

    def note_as(self, kind: str) -> Callable[[Strike], None]:
        """Count what strikes as something else."""

        def note(strike: Strike) -> None:
            strike.kind = kind
            self.tally.note(strike)

        return note

    @asynccontextmanager
    async def job(self) -> AsyncIterator[None]:
        """Let the block be a job that a fault can befall."""
        job = Job(time.time())
        self.market.jobs.append(job)
        yield
        job.ended = time.time()


Drill = Callable[[Ground], Awaitable[None]]


async def hold(ground: Ground, drills: Iterable[tuple[str, Drill]]) -> list[str]:
    """Hold one after the other, each on a stack without faults; list what went wrong."""
    failures: list[str] = []
    for name, drill in drills:
        print(f"  drill: {name}", flush=True)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await drill(ground)
        except (DrillFailed, GaveUp, Away, TimeoutError) as failure:
            failures.append(f"{name}: {failure!r}")
        await asyncio.to_thread(ground.rig.calm)
    return failures


async def wipe_often(ground: Ground) -> None:
    """Throw the broker away ten times, each time with ten more uploads under way."""
    note, job = ground.note_as("drill-wipe-broker"), ground.customer.job
    async with asyncio.TaskGroup() as group:
        going: set[asyncio.Task[None]] = set()
        for _ in range(WIPES):
            going |= {group.create_task(job("short.mp4", "wait")) for _ in range(JOBS_A_WIPE)}
            await wipe(ground.arena, ground.chance, note)
            while len(going) > CAUGHT_TWICE:
                _, going = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)


async def lose_store(name: str, ground: Ground) -> None:
    """Take a store away for half a minute; an account is opened and a video sent meanwhile."""
    if name not in ground.rig.stores:
        return
    note = ground.note_as(f"drill-away-{name}")
    async with asyncio.TaskGroup() as group:
        group.create_task(ground.customer.job("clip.mp4", "wait"))
        away = group.create_task(send_away(ground.arena, name, AWAY_SECONDS, note))
        await asyncio.sleep(1)
        group.create_task(ground.customer.job("short.mp4", "wait"))
        await _open_account(ground)
        await away


async def freeze_worker(ground: Ground) -> None:
    """Stop a worker that converts for three leases: it wakes up with stale work in hand."""
    async with asyncio.TaskGroup() as group:
        group.create_task(ground.customer.job("lecture.m4a", "wait"))
        with ExitStack() as held:
            async with asyncio.timeout(BUSY_SECONDS):
                strike = Strike("drill-freeze", await _seize(ground.rig, held))
            await asyncio.sleep(FROZEN_SECONDS)
    strike.ended = time.time()
    ground.tally.note(strike)


async def open_accounts(ground: Ground) -> None:
    """Kill auth at each step of opening an account, at once and a little later."""
    for step in ACCOUNT_STEPS:
        for action in ("kill", "kill 0.05"):
            await _kill_while_opening(ground, f"auth.accounts.{step}", action)


BEFORE: dict[str, Drill] = {
    "wipes": wipe_often,
    "away-mongodb": partial(lose_store, "mongodb"),
    "away-mariadb": partial(lose_store, "mariadb"),
    "freeze": freeze_worker,
    "accounts": open_accounts,
}
"""The drills that come before the storm."""


async def _seize(rig: Rig, held: ExitStack) -> str:
    """Stop a converter in the midst of its work, until `held` is closed; name it."""
    while True:
        for name in CONVERTERS:
            if await asyncio.to_thread(encoders, rig, name):
                held.enter_context(rig.frozen(name))
                # It may have been done with it by then.
                if await asyncio.to_thread(encoders, rig, name):
                    return name
                held.close()
        await asyncio.sleep(LOOK_SECONDS)


async def _kill_while_opening(ground: Ground, point: str, action: str) -> None:
    before = set(await asyncio.to_thread(ground.rig.fired, point))
    await asyncio.to_thread(ground.rig.arm, point, action)
    await _open_account(ground)
    fired = set(await asyncio.to_thread(ground.rig.fired, point)) - before
    if not fired:
        raise DrillFailed(f"{point} was not reached")
    struck = int(fired.pop().name.rpartition(".")[2]) / 1e9
    ground.tally.note(Strike("drill-kill-auth", point, struck, struck))


async def _open_account(ground: Ground) -> None:
    """Ask for an account until it is there, and once more: the checker compares the answers."""
    newcomer = ground.newcomer()
    try:
        async with ground.job():
            await newcomer.register()
            await newcomer.register()
    finally:
        await newcomer.close()
