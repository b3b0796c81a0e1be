"""Real faults for real processes: each strikes, lasts a while, and is healed again.

A fault says when it began and when it was over: a kill is over at once, for what comes after is
recovery; whatever lasts is over when it is healed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random

from kafka.errors import KafkaError

from tonearm_local.supervision import Away

from . import broker, disks, points
from .fault_proxy import FAIR, Weather
from .rig import CONVERTERS, GATEWAYS, SERVICES, Rig

RESTART_SECONDS = 30.0
READY_SECONDS = 60.0
REACH_SECONDS = 10.0
LATEST_MESSAGES = 40
LONG_SECONDS, LONG_SHARE = 30.0, 0.1
FAILPOINT_KILL = "failpoint-kill"


class NoFault(Exception):
    """Nothing was struck: it does not count."""


@dataclass(slots=True)
class Strike:
    """One fault that struck: what, whom, from when to when."""

    kind: str
    target: str = ""
    begun: float = field(default_factory=time.time)
    ended: float = 0.0


@dataclass(slots=True)
class Arena:
    """Where faults strike; nobody is struck by two at once."""

    rig: Rig
    small_disks: tuple[str, ...] = ()
    next_points: list[str] = field(default_factory=list)
    """The failpoints whose turn it is, before any may come again."""
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    @asynccontextmanager
    async def alone_with(self, *names: str) -> AsyncIterator[None]:
        """Keep other faults from these targets for as long as the block lasts."""
        held: list[asyncio.Lock] = []
        try:
            for name in sorted(names):
                lock = self.locks.setdefault(name, asyncio.Lock())
                await lock.acquire()
                held.append(lock)
            yield
        finally:
            for lock in held:
                lock.release()

    async def restarted(self, name: str, pid: int) -> None:
        """Wait until the supervisor has started a killed part again."""
        deadline = time.monotonic() + RESTART_SECONDS
        while time.monotonic() < deadline:
            with suppress(Away):
                state = await asyncio.to_thread(self.rig.state, name)
                if state.pid not in (0, pid):
                    return
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{name} was not started again")


Report = Callable[[Strike], None]
Fault = Callable[[Arena, Random, Report], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault, and how often it comes compared with others."""

    name: str
    weight: int
    strike: Fault
    needs: str = ""
    """The part of the stack without which there is no such fault."""


def kill(*targets: str) -> Fault:
    """SIGKILL one of these parts; the supervisor starts it again."""

    async def strike(arena: Arena, chance: Random, report: Report) -> None:
        target = chance.choice(targets)
        async with arena.alone_with(target):
            pid = await asyncio.to_thread(arena.rig.kill, target)
            if not pid:
                raise NoFault(f"{target} did not run")
            now = time.time()
            report(Strike(f"kill-{target.partition('-')[0]}", target, now, now))
            await arena.restarted(target, pid)

    return strike


def restart(*targets: str) -> Fault:
    """Stop one of these parts with SIGTERM, and start it again after a while."""

    async def strike(arena: Arena, chance: Random, report: Report) -> None:
        target = chance.choice(targets)
        away = LONG_SECONDS if chance.random() < LONG_SHARE else chance.uniform(0, 3)
        await send_away(arena, target, away, report)

    return strike


async def send_away(arena: Arena, target: str, seconds: float, report: Report) -> None:
    """Stop a part with SIGTERM, and start it again after so many seconds."""
    async with arena.alone_with(target):
        done = Strike("restart-" + target.partition("-")[0], target)
        await asyncio.to_thread(arena.rig.stop_part, target)
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(arena.rig.start_part, target)
        done.ended = time.time()
        report(done)


def freeze(*targets: str, longest: float) -> Fault:
    """SIGSTOP one of these parts, SIGCONT it after at most so many seconds."""

    async def strike(arena: Arena, chance: Random, report: Report) -> None:
        target, seconds = chance.choice(targets), chance.uniform(0.2, 1) * longest
        async with arena.alone_with(target):
            done = Strike("freeze-" + target.partition("-")[0], target)
            frozen = arena.rig.frozen(target)
            if not await asyncio.to_thread(frozen.__enter__):
                raise NoFault(f"{target} did not run")
            try:
                await asyncio.sleep(seconds)
            finally:
                frozen.__exit__(None, None, None)
            done.ended = time.time()
            report(done)

    return strike


def failpoint(kind: str, *actions: str) -> Fault:
    """Arm a point and wait for whoever comes along."""

    async def strike(arena: Arena, chance: Random, report: Report) -> None:
        rig, action = arena.rig, chance.choice(actions)
        is_turn = arena.next_points and "kill" in kind
        point = arena.next_points.pop(0) if is_turn else chance.choice(points.POINTS)
        async with arena.alone_with(point):
            before = len(await asyncio.to_thread(rig.fired, point))
            await asyncio.to_thread(rig.arm, point, action)
            deadline = time.monotonic() + REACH_SECONDS
            while time.monotonic() < deadline:
                await asyncio.sleep(0.05)
                if len(await asyncio.to_thread(rig.fired, point)) > before:
                    now = time.time()
                    verb, _, seconds = action.partition(" ")
                    length = float(seconds) if verb == "pause" else 0.0
                    report(Strike(kind, point, now, now + length))
                    if "kill" in kind:
                        arena.next_points = [each for each in arena.next_points if each != point]
                    return
            await asyncio.to_thread(rig.disarm, point)
            raise NoFault(f"{point} was not reached")

    return strike


def weather(kind: str, choose: Callable[[Random], Weather], longest: float) -> Fault:
    """Change the weather between services and one store for at most so many seconds."""

    async def strike(arena: Arena, chance: Random, report: Report) -> None:
        name, seconds = chance.choice(arena.rig.doors), chance.uniform(0.2, 1) * longest
        change = choose(chance)
        async with arena.alone_with(name):
            done = Strike(kind, name)
            await asyncio.to_thread(arena.rig.proxies.become, name, change)
            try:
                await asyncio.sleep(seconds)
            finally:
                await asyncio.to_thread(arena.rig.proxies.become, name, FAIR)
            done.ended = time.time()
            report(done)

    return strike


async def reset(arena: Arena, chance: Random, report: Report) -> None:
    """Reset all connections of one proxy."""
    name = chance.choice(arena.rig.doors)
    if not await asyncio.to_thread(arena.rig.proxies.reset, name):
        raise NoFault(f"nobody was connected to {name}")
    now = time.time()
    report(Strike("reset", name, now, now))


async def wipe(arena: Arena, chance: Random, report: Report) -> None:
    """Throw away the broker with all its topics; it comes back empty."""
    away = chance.uniform(0, 4)
    async with arena.alone_with("kafka"):
        done = Strike("wipe-broker", "kafka")
        await asyncio.to_thread(arena.rig.wipe_broker, away=partial(time.sleep, away))
        await asyncio.to_thread(arena.rig.wait_until_ready, "kafka", seconds=READY_SECONDS)
        done.ended = time.time()
        report(done)


async def repeat(arena: Arena, chance: Random, report: Report) -> None:
    """Deliver the latest messages ten times again, in any order."""
    done = Strike("repeat-messages", "kafka")
    address = arena.rig.stack.kafka_bootstrap_servers
    send = partial(broker.repeat, address, chance, times=10, latest=LATEST_MESSAGES)
    if not await _sent(send):
        raise NoFault("the broker had nothing")
    done.ended = time.time()
    report(done)


async def poison(arena: Arena, chance: Random, report: Report) -> None:
    """Send what nobody should."""
    kind = chance.choice(sorted(broker.POISONS))
    done = Strike("poison", kind)
    address = arena.rig.stack.kafka_bootstrap_servers
    if not await _sent(partial(broker.publish, address, broker.poison(kind, chance))):
        raise NoFault("the broker took nothing")
    done.ended = time.time()
    report(done)


async def fill_disk(arena: Arena, chance: Random, report: Report) -> None:
    """Fill up the disk on which one converter works."""
    target, seconds = chance.choice(arena.small_disks), chance.uniform(1, 5)
    async with arena.alone_with(f"disk-{target}"):
        done = Strike("scratch-full", target)
        disk = disks.full(arena.rig.stack.directory.scratch / target)
        await asyncio.to_thread(disk.__enter__)
        try:
            await asyncio.sleep(seconds)
        finally:
            disk.__exit__(None, None, None)
        done.ended = time.time()
        report(done)


async def roll(arena: Arena, chance: Random, report: Report) -> None:
    """Restart every service, one after the other, in any order."""
    order = chance.sample(SERVICES, len(SERVICES))
    done = Strike("rolling-restart", ", ".join(order))
    for name in order:
        async with arena.alone_with(name):
            await asyncio.to_thread(arena.rig.stop_part, name)
            await asyncio.to_thread(arena.rig.start_part, name)
        with suppress(TimeoutError):  # the broker may be away for longer
            await asyncio.to_thread(arena.rig.wait_until_ready, name, seconds=READY_SECONDS / 4)
    done.ended = time.time()
    report(done)


async def _sent(send: Callable[[], int]) -> int:
    try:
        return await asyncio.to_thread(send)
    except KafkaError as error:
        raise NoFault(repr(error)) from error


def _latency(chance: Random) -> Weather:
    return Weather(latency_seconds=chance.uniform(0.02, 0.3))


def _cut(chance: Random) -> Weather:
    return Weather(cut_after_bytes=int(10 ** chance.uniform(1, 6)))


KINDS = (
    Kind("kill-auth", 4, kill("auth")),
    Kind("kill-gateway", 12, kill(*GATEWAYS)),
    Kind("kill-converter", 12, kill(*CONVERTERS)),
    Kind("kill-notifier", 8, kill("notifier")),
    Kind("kill-envoy", 3, kill("envoy")),
    Kind("kill-mailbox", 3, kill("mailbox")),
    Kind("kill-mongodb", 4, kill("mongodb")),
    Kind("kill-mariadb", 3, kill("mariadb"), needs="mariadb"),
    Kind("restart-mongodb", 2, restart("mongodb")),
    Kind("restart-mariadb", 2, restart("mariadb"), needs="mariadb"),
    Kind("restart-service", 8, restart(*SERVICES)),
    Kind("rolling-restart", 1, roll),
    Kind(FAILPOINT_KILL, 24, failpoint(FAILPOINT_KILL, "kill", "kill 0.3")),
    Kind("failpoint-outage", 8, failpoint("failpoint-outage", "outage")),
    Kind("failpoint-pause", 5, failpoint("failpoint-pause", "pause 2", "pause 5")),
    Kind("freeze-converter", 3, freeze(*CONVERTERS, longest=46)),
    Kind("freeze-gateway", 3, freeze(*GATEWAYS, longest=6)),
    Kind("freeze-notifier", 3, freeze("notifier", longest=20)),
    Kind("freeze-mongodb", 2, freeze("mongodb", longest=5)),
    Kind("freeze-kafka", 2, freeze("kafka", longest=5)),
    Kind("latency", 5, weather("latency", _latency, 5)),
    Kind("cut", 8, weather("cut", _cut, 4)),
    Kind("black-hole", 5, weather("black-hole", lambda _: Weather(black_hole=True), 8)),
    Kind("refuse", 5, weather("refuse", lambda _: Weather(refuse=True), 5)),
    Kind("reset", 10, reset),
    Kind("wipe-broker", 3, wipe),
    Kind("repeat-messages", 4, repeat),
    Kind("poison", 5, poison),
    Kind("scratch-full", 4, fill_disk, needs="small-disk"),
)
