"""From the event on the bus to the mail, and back to the bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from notifier_fakes import FakeMailer, InMemoryDeliveryStore, a_notice

from notifier_service import wire
from notifier_service.domain import Patience
from notifier_service.letter import Letter, Letterhead
from notifier_service.use_cases import RequestNotice, SendDelivery
from notifier_service.worker import NotificationWorker, Sender
from tonearm.events.v1 import events_pb2
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.outbox import Relay
from tonearm_chassis.server import Background
from tonearm_chassis.testing.events import InMemoryProducer

PATIENCE = Patience(timedelta(hours=72), first_pause_seconds=0.01)


class PickyMailer(FakeMailer):
    """A mailer that stumbles over one conversion, and can be slow."""

    def __init__(self) -> None:
        super().__init__()
        self.stumbles_over = ""
        self.gate = asyncio.Event()
        self.gate.set()
        self.under_way = 0
        self.most_under_way = 0

    async def send(self, letter: Letter) -> None:
        if self.stumbles_over and self.stumbles_over in letter.message_id:
            raise ZeroDivisionError
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.gate.wait()
        self.under_way -= 1
        await super().send(letter)


class Notifier:
    """All of the notifier but Kafka, MongoDB and SMTP."""

    def __init__(self, *, poll_seconds: float = 60.0, lease_seconds: float = 60.0) -> None:
        clock = SystemClock()
        self.store = InMemoryDeliveryStore(clock)
        self.mailer = PickyMailer()
        self.producer = InMemoryProducer()
        self.relay = Relay(self.store, self.producer)
        send = SendDelivery(
            self.store,
            self.mailer,
            letterhead=Letterhead("tonearm@mail.example", "https://tonearm.example"),
            patience=PATIENCE,
            clock=clock,
        )
        self.sender = Sender(
            self.store,
            send,
            lease_seconds=lease_seconds,
            at_once=2,
            on_settled=self.relay.wake,
            poll_seconds=poll_seconds,
        )
        request = RequestNotice(
            self.store, wake_sender=self.sender.wake, wake_relay=self.relay.wake
        )
        self.worker = NotificationWorker(request)


def event(number: int = 1) -> Envelope:
    notice = a_notice(number)
    message = events_pb2.NotificationRequested(
        conversion_id=notice.conversion_id,
        account_id=notice.account_id,
        recipient_email=notice.recipient,
        outcome=events_pb2.OUTCOME_SUCCEEDED,
        video_filename=notice.video_filename,
    )
    return Envelope.of(
        message, key=notice.conversion_id, source="/tonearm/gateway", time=SystemClock().now()
    )


@asynccontextmanager
async def running(*works: Background) -> AsyncIterator[asyncio.Event]:
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(work.run(stopping)) for work in works]
    try:
        yield stopping
    finally:
        stopping.set()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks)


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not reached():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)  # the work runs in tasks of its own, on the real clock


async def test_an_event_becomes_a_mail_at_once_and_an_answer_to_the_gateway() -> None:
    notifier = Notifier()

    async with running(notifier.sender, notifier.relay):
        await asyncio.sleep(0.01)  # let both fall asleep: it is the event that must wake them
        started = time.perf_counter()
        await notifier.worker(event())
        await until(lambda: bool(notifier.producer.sent))
        seconds = time.perf_counter() - started

    ((topic, envelope),) = notifier.producer.sent
    assert topic == "tonearm.conversion-events.v1"
    assert envelope.open(events_pb2.NotificationDelivered).delivered
    assert len(notifier.mailer.sent) == 1
    assert seconds < 0.5  # far below the second and the minute between looks


async def test_the_same_event_many_times_makes_one_mail() -> None:
    notifier = Notifier()

    async with running(notifier.sender, notifier.relay):
        for _ in range(5):
            await notifier.worker(event())
        await until(lambda: bool(notifier.producer.sent))
        await notifier.worker(event())
        await until(lambda: len(notifier.producer.sent) > 1)

    assert len(notifier.mailer.sent) == 1
    assert len({envelope.id for _, envelope in notifier.producer.sent}) == 1


async def test_what_nobody_woke_the_sender_for_is_found_by_looking() -> None:
    notifier = Notifier(poll_seconds=0.02)

    async with running(notifier.sender):
        await notifier.store.record(a_notice())
        await until(lambda: bool(notifier.mailer.sent))


async def test_a_store_that_is_away_is_waited_for() -> None:
    notifier = Notifier(poll_seconds=0.02)
    notifier.store.away = True

    async with running(notifier.sender, notifier.relay):
        notifier.sender.wake()
        await asyncio.sleep(0.05)  # a few looks that fail
        notifier.store.away = False
        await notifier.store.record(a_notice())
        await until(lambda: bool(notifier.mailer.sent))


async def test_one_mail_that_cannot_be_sent_keeps_back_no_other() -> None:
    notifier = Notifier()
    notifier.mailer.stumbles_over = a_notice(1).conversion_id

    async with running(notifier.sender):
        for number in (1, 2, 3):
            await notifier.worker(event(number))
        await until(lambda: len(notifier.mailer.sent) == 2)

    stuck = await notifier.store.record(a_notice(1))
    assert stuck.attempts == 1


async def test_only_so_many_mails_are_under_way_at_once() -> None:
    notifier = Notifier()
    notifier.mailer.gate.clear()

    async with running(notifier.sender):
        for number in range(5):
            await notifier.worker(event(number))
        await until(lambda: notifier.mailer.under_way == 2)
        notifier.mailer.gate.set()
        await until(lambda: len(notifier.mailer.sent) == 5)

    assert notifier.mailer.most_under_way == 2


async def test_a_mail_under_way_is_finished_before_the_end() -> None:
    notifier = Notifier()
    notifier.mailer.gate.clear()

    async with running(notifier.sender) as stopping:
        await notifier.worker(event())
        await until(lambda: notifier.mailer.under_way == 1)
        stopping.set()
        await asyncio.sleep(0.01)  # the sender notices and waits
        notifier.mailer.gate.set()

    assert len(notifier.mailer.sent) == 1


async def test_a_mail_that_outlasts_the_drain_is_cancelled_and_comes_again() -> None:
    notifier = Notifier(lease_seconds=0.0)
    notifier.mailer.gate.clear()
    task = asyncio.create_task(notifier.sender.run(asyncio.Event()))
    await notifier.worker(event())
    await until(lambda: notifier.mailer.under_way == 2)

    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert notifier.mailer.sent == []
    assert await notifier.store.claim(60) is not None


async def test_an_outage_while_recording_reaches_the_consumer_which_tries_again() -> None:
    notifier = Notifier()
    notifier.store.away = True

    with pytest.raises(Outage):
        await notifier.worker(event())


def test_the_topics_are_those_of_the_contract() -> None:
    assert wire.NOTIFICATIONS_TOPIC == "tonearm.notifications.v1"
    assert wire.EVENTS_TOPIC == "tonearm.conversion-events.v1"
    assert wire.DEAD_LETTERS_TOPIC == "tonearm.dead-letters.v1"
