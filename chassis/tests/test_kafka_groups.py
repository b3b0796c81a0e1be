"""Members of a consumer group on Apache Kafka: how they share, die, and outlive a wiped broker."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from chassis_kafka import ASSIGNED_SECONDS, STOPPED_SECONDS, Bus, Received, bus_on, event
from chassis_programs import real_broker_command, running

from tonearm_chassis.envelope import Envelope
from tonearm_chassis.kafka_membership import Membership
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.kafka_topics import ensure_topics
from tonearm_chassis.testing.ports import free_port

# See `tidy`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

MEMBER = Path(__file__).parent / "support/chassis_member.py"
START_SECONDS = 60.0
TAKEOVER_SECONDS = 20.0  # the session of a dead member, and what it left
BACK_SECONDS = 10.0


class Member:
    """A member in a process of its own; reads what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Listen to `process`."""
        self.process = process
        self.lines: list[str] = []

    async def until(self, word: str) -> None:
        """Wait for a line that begins so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(ASSIGNED_SECONDS):
            while True:
                line = (await self.process.stdout.readline()).decode().strip()
                assert line, "the member ended"
                self.lines.append(line)
                if line.startswith(word):
                    return

    async def rest(self) -> None:
        """Read what it still has to say."""
        assert self.process.stdout is not None
        self.lines += (await self.process.stdout.read()).decode().splitlines()

    def names(self, word: str) -> list[str]:
        """List the events that it said `word` of."""
        return [line.split()[1] for line in self.lines if line.startswith(f"{word} ")]


@asynccontextmanager
async def member_of(bus: Bus) -> AsyncIterator[Member]:
    """Run a member until the end of the test, if the test does not end it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(MEMBER), bus.access.bootstrap_servers, bus.name),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    member = Member(process)
    try:
        await member.until("assigned")
        yield member
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


class Teammate(Received):
    """A handler that keeps what it was given, and tells another."""

    def __init__(self, both: Received) -> None:
        """Tell `both`."""
        super().__init__()
        self._both = both

    async def __call__(self, envelope: Envelope) -> None:
        """Keep it."""
        await super().__call__(envelope)
        await self._both(envelope)


def team() -> tuple[Received, Received, Received]:
    """Make two handlers, and one who hears of what either was given."""
    both = Received()
    return Teammate(both), Teammate(both), both


@pytest.fixture
async def bus(real_broker: str) -> AsyncIterator[Bus]:
    access = KafkaAccess(real_broker, assignment="group", partitions=4)
    async with bus_on(access) as bus:
        yield bus


async def test_members_share_the_events_and_each_is_applied_by_one(bus: Bus) -> None:
    one, other, both = team()
    names = [f"e-{number}" for number in range(40)]

    async with bus.consuming(one), bus.consuming(other):
        await asyncio.gather(*(bus.send(name, key=name) for name in names))
        await both.until_all(names, seconds=TAKEOVER_SECONDS)
        await asyncio.sleep(0.5)  # a repeat would come by then

    assert sorted(both.names) == sorted(names)
    assert one.names
    assert other.names


async def test_a_member_that_joins_takes_over_without_a_loss(bus: Bus) -> None:
    one, other, both = team()
    names = [f"e-{number}" for number in range(60)]

    async def steady() -> None:
        for name in names:
            await bus.send(name, key=name)
            await asyncio.sleep(0.05)  # the rebalance happens in between

    async with bus.consuming(one):
        sending = asyncio.create_task(steady())
        await one.until(5, seconds=TAKEOVER_SECONDS)
        async with bus.consuming(other):
            await sending
            await both.until_all(names, seconds=TAKEOVER_SECONDS)

    # What was under way when its partition changed hands may come again, and nothing else.
    assert len(both.names) - len(names) <= 1
    assert other.names


async def test_what_a_dead_member_had_under_way_is_taken_over_by_another(bus: Bus) -> None:
    names = [f"e-{number}" for number in range(60)]
    survivor = Received()

    async with member_of(bus) as doomed, bus.consuming(survivor):
        await asyncio.gather(*(bus.send(name, key=name) for name in names))
        await doomed.until("applied")
        await doomed.until("begun")
        killed = time.monotonic()
        doomed.process.send_signal(signal.SIGKILL)
        await doomed.rest()
        lost = {*names} - {*doomed.names("applied")}
        await survivor.until_all(lost, seconds=TAKEOVER_SECONDS)
        seconds = time.monotonic() - killed

    assert {*doomed.names("applied"), *survivor.names} == {*names}
    assert len(survivor.names) == len({*survivor.names})
    assert doomed.names("begun")[-1] in survivor.names
    # Applied twice at most: what was done, and not yet said to be so.
    assert len({*doomed.names("applied")} & {*survivor.names}) <= 1
    assert seconds < TAKEOVER_SECONDS


class Coordinator:
    """What kafka-python asks whether it is to join."""

    def __init__(self) -> None:
        """Have nothing to do."""
        self.rejoin_needed = False

    def request_rejoin(self) -> None:
        self.rejoin_needed = True


def test_a_join_that_has_begun_is_insisted_on_until_it_is_done() -> None:
    told: list[str] = []
    consumer = SimpleNamespace(_coordinator=Coordinator())
    membership = Membership(consumer, lambda: told.append("assigned"))

    membership.on_partitions_revoked(set())
    assert (consumer._coordinator.rejoin_needed, told) == (True, [])  # noqa: SLF001 - the fake's
    membership.on_partitions_assigned(set())

    assert told == ["assigned"]


async def test_members_of_new_topics_always_take_part(bus: Bus) -> None:
    # A leader that first sees no partitions joins anew when it does: where that was forgotten, one
    # round in twenty never ended.
    for number in range(8):
        fresh = replace(bus, name=f"{bus.name}-{number}", producers=[])
        received, letters = Received(), Received()
        ensure_topics(fresh.access, [fresh.topic])
        async with (
            fresh.consuming(received),
            fresh.consuming(letters, topic=fresh.letters, group=fresh.name),
        ):
            await fresh.producer.send(fresh.letters, event("letter"))
            await letters.until(1, seconds=TAKEOVER_SECONDS)
        await fresh.producer.close()

        assert letters.names == ["letter"]


@pytest.mark.usefixtures("tidy")
async def test_a_wiped_broker_loses_its_topics_and_the_service_is_told(tmp_path: Path) -> None:
    port = free_port()
    command = real_broker_command(port, tmp_path / "kafka")
    if command is None:
        pytest.skip(reason="Apache Kafka is not installed: see deploy/real/README.md")
    access = KafkaAccess(f"127.0.0.1:{port}", assignment="group", partitions=2)
    told, received, stopping = asyncio.Event(), Received(), asyncio.Event()

    async with bus_on(access) as bus, AsyncExitStack() as stack:
        with running(command, port, START_SECONDS):
            consumer = bus.consumer(received, on_replaced=told.set, also_watched=(bus.letters,))
            consuming = asyncio.create_task(consumer.run(stopping))
            stack.callback(consuming.cancel)
            await bus.send("before")
            await received.until(1, seconds=ASSIGNED_SECONDS)
            told.clear()  # it is told at its start, too
        shutil.rmtree(tmp_path / "kafka")
        with running(command, port, START_SECONDS):
            started = time.monotonic()
            await asyncio.wait_for(told.wait(), BACK_SECONDS * 2)
            await bus.send_until_taken("after")
            await received.until(2, seconds=BACK_SECONDS)
            seconds = time.monotonic() - started
            stopping.set()
            await asyncio.wait_for(consuming, STOPPED_SECONDS)

    assert received.names == ["before", "after"]
    assert seconds < BACK_SECONDS
