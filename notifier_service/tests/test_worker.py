"""From the event on the bus to the mail, and back to the bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from notifier_fakes import (
    STRANGER,
    FakeMailer,
    InMemoryDeliveryStore,
    InMemoryWebhookStore,
    a_notice,
)

from notifier_service import wire
from notifier_service.adapters.smtp_mailer import SMTPAccess, SMTPMailer
from notifier_service.domain import Channel, Delivery, Patience, State
from notifier_service.letter import Letter, Letterhead
from notifier_service.use_cases.mail import MailMessenger
from notifier_service.use_cases.notices import (
    ForgetConversion,
    RequestNotice,
    SweepTombstones,
)
from notifier_service.use_cases.send import Lease, SendDelivery
from notifier_service.worker import Lane, NotificationWorker, Sender, TombstoneSweeper
from tonearm.events.v1 import events_pb2
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.errors import Outage
from tonearm_chassis.outbox import Relay
from tonearm_chassis.server import Background
from tonearm_chassis.testing.events import InMemoryProducer

PATIENCE = Patience(timedelta(hours=72), first_pause_seconds=0.01)


class PickyMailer(FakeMailer):
    """A mailer that stumbles over one conversion."""

    def __init__(self) -> None:
        super().__init__()
        self.stumbles_over = ""

    async def send(self, letter: Letter) -> None:
        if self.stumbles_over and self.stumbles_over in letter.message_id:
            raise ZeroDivisionError
        await super().send(letter)


class HangingMailer(FakeMailer):
    """A mailer that hangs over one recipient only."""

    def __init__(self) -> None:
        super().__init__()
        self.gate.clear()

    async def send(self, letter: Letter) -> None:
        if letter.recipient != "slow@example.org":
            self.sent.append(letter)
            return
        await super().send(letter)


class UnrenewableStore(InMemoryDeliveryStore):
    """A store that can be reached for everything but renewing a lease."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.claims = 0

    async def claim(
        self,
        channel: Channel,
        lease_seconds: float,
        but_not: Collection[str] = (),
        but_not_of: Collection[str] = (),
    ) -> Delivery | None:
        self.claims += 1
        return await super().claim(channel, lease_seconds, but_not, but_not_of)

    async def renew(self, claimed: Delivery, lease_seconds: float) -> bool:
        del claimed, lease_seconds
        raise Outage("store: away")


class Notifier:
    """All of the notifier but Kafka, MongoDB and SMTP."""

    def __init__(
        self,
        *,
        poll_seconds: float = 60.0,
        lease_seconds: float = 60.0,
        store: InMemoryDeliveryStore | None = None,
        patience: Patience = PATIENCE,
    ) -> None:
        clock = SystemClock()
        self.store = store or InMemoryDeliveryStore(clock)
        self.mailer = PickyMailer()
        self.producer = InMemoryProducer()
        self.relay = Relay(self.store, self.producer)
        lease = Lease(self.store, clock, lease_seconds)
        send = SendDelivery(
            self.store,
            MailMessenger(
                self.mailer, Letterhead("tonearm@mail.example", "https://tonearm.example")
            ),
            lease=lease,
            patience=patience,
            clock=clock,
        )
        self.sender = Sender(
            self.store,
            send,
            Lane(Channel.MAIL, 2, 2, poll_seconds),
            lease=lease,
            on_settled=self.relay.wake,
        )
        request = RequestNotice(
            self.store,
            InMemoryWebhookStore(),
            wake_senders=self.sender.wake,
            wake_relay=self.relay.wake,
        )
        forget = ForgetConversion(self.store, wake_relay=self.relay.wake)
        self.worker = NotificationWorker(request, forget)


def replace_type(event_type: str, payload: bytes) -> Envelope:
    return replace(event(), type=event_type, payload=payload)


def deleted(number: int = 1) -> Envelope:
    message = events_pb2.ConversionDeleted(conversion_id=a_notice(number).conversion_id)
    return replace_type(message.DESCRIPTOR.full_name, message.SerializeToString())


def event(number: int = 1, *, address: str = "ada@example.org") -> Envelope:
    notice = a_notice(number)
    message = events_pb2.NotificationRequested(
        conversion_id=notice.conversion_id,
        account_id=notice.account_id,
        recipient_email=address,
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
    notifier = Notifier(patience=Patience(timedelta(hours=72)))
    notifier.mailer.stumbles_over = a_notice(1).conversion_id

    async with running(notifier.sender):
        for number in (1, 2, 3):
            await notifier.worker(event(number))
        await until(lambda: len(notifier.mailer.sent) == 2)

    stuck = await notifier.store.record(a_notice(1))
    assert (stuck.attempts, stuck.last_error) == (1, "the notice could not be made")
    assert await notifier.store.claim(Channel.MAIL, 60) is None  # its pause, as after every failure


async def test_what_is_under_way_here_is_never_claimed_again_even_without_a_lease() -> None:
    store = UnrenewableStore()
    notifier = Notifier(poll_seconds=0.005, lease_seconds=0.01, store=store)
    notifier.mailer.gate.clear()

    async with running(notifier.sender):
        await notifier.worker(event())
        await until(lambda: notifier.mailer.under_way == 1)
        looked = store.claims
        await until(lambda: store.claims > looked + 10)
        notifier.mailer.gate.set()
        await until(lambda: bool(notifier.mailer.sent))

    assert notifier.mailer.most_under_way == len(notifier.mailer.sent) == 1
    assert (await store.record(a_notice())).state is State.DELIVERED


async def test_what_hangs_on_one_account_leaves_places_for_others() -> None:
    store, mailer = InMemoryDeliveryStore(SystemClock()), HangingMailer()
    lease = Lease(store, SystemClock(), 60.0)
    messenger = MailMessenger(mailer, Letterhead("tonearm@mail.example", "https://t.example"))
    send = SendDelivery(store, messenger, lease=lease, patience=PATIENCE, clock=SystemClock())
    sender = Sender(
        store, send, Lane(Channel.MAIL, 3, 2, 60.0), lease=lease, on_settled=lambda: None
    )
    for number in range(4):
        await store.record(replace(a_notice(number), recipient="slow@example.org"))
    for number in range(4, 8):
        await store.record(a_notice(number, account_id=STRANGER))

    async with running(sender):
        await until(lambda: len(mailer.sent) == 4)
        hanging = mailer.under_way
        mailer.gate.set()
        await until(lambda: len(mailer.sent) == 8)

    assert hanging == 2


async def test_a_deleted_conversion_is_forgotten_and_the_gateway_told() -> None:
    notifier = Notifier()
    await notifier.worker(event())

    async with running(notifier.sender, notifier.relay):
        await notifier.worker(deleted())
        await until(lambda: bool(notifier.producer.sent))
        await notifier.worker(event())
        await until(lambda: len(notifier.producer.sent) > 1)

    (topic,) = {topic for topic, _ in notifier.producer.sent}
    confirmed = notifier.producer.sent[-1][1].open(events_pb2.DeletionConfirmed)
    assert topic == "tonearm.conversion-events.v1"
    assert confirmed.conversion_id == a_notice().conversion_id
    assert confirmed.party == events_pb2.PARTY_NOTIFIER


async def test_old_tombstones_are_swept_once_the_store_is_there() -> None:
    notifier = Notifier()
    await notifier.store.forget(a_notice().conversion_id)
    (entry,) = await notifier.store.pending(10)
    await notifier.store.mark_published(entry)
    sweep = SweepTombstones(notifier.store, keep=timedelta(0))
    notifier.store.away = True

    async with running(TombstoneSweeper(sweep, every_seconds=0.01)):
        await asyncio.sleep(0.03)  # a few looks that fail
        notifier.store.away = False
        await until(lambda: not notifier.store.forgotten)


@pytest.mark.parametrize(
    "envelope",
    [
        replace_type("tonearm.events.v1.ConversionDeleted", b"\xff\xff"),
        replace_type("tonearm.events.v1.ConversionDeleted", b""),
        replace_type("tonearm.events.v1.NotificationRequested", b"\xff\xff"),
        replace_type("tonearm.events.v1.ConversionSucceeded", b""),
        replace_type("tonearm.events.v9.FromTheFuture", b"anything"),
    ],
    ids=["garbage to forget", "nothing to forget", "garbage to send", "not for us", "unknown type"],
)
async def test_poison_is_malformed_and_leaves_nothing(envelope: Envelope) -> None:
    notifier = Notifier()

    with pytest.raises(MalformedEvent):
        await notifier.worker(envelope)

    assert await notifier.store.claim(Channel.MAIL, 60) is None
    assert await notifier.store.pending(10) == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org,eve@example.org",
        "Ada <ada@example.org>",
        "=?utf-8?q?ada?=@example.org\x00",
        "\u202eada@example.org\u2029",
        "a" * 100_000 + "@example.org",
    ],
)
async def test_a_hostile_address_is_given_up_and_stops_nobody(address: str) -> None:
    notifier = Notifier()
    mailer = SMTPMailer(SMTPAccess("127.0.0.1:9", security="none"))
    notifier.mailer.send = mailer.send  # type: ignore[method-assign]  # refuses before it connects

    async with running(notifier.sender, notifier.relay):
        await notifier.worker(event(address=address))
        await until(lambda: bool(notifier.producer.sent))

    ((_, envelope),) = notifier.producer.sent
    assert not envelope.open(events_pb2.NotificationDelivered).delivered


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
    notifier = Notifier(lease_seconds=0.01)
    notifier.mailer.gate.clear()
    task = asyncio.create_task(notifier.sender.run(asyncio.Event()))
    await notifier.worker(event())
    await until(lambda: notifier.mailer.under_way == 1)

    task.cancel()
    await asyncio.wait([task])
    await until(lambda: notifier.mailer.under_way == 0)
    await asyncio.sleep(0.02)  # the lease runs out

    assert task.cancelled()
    assert notifier.mailer.sent == []
    assert await notifier.store.claim(Channel.MAIL, 60) is not None


async def test_an_outage_while_recording_reaches_the_consumer_which_tries_again() -> None:
    notifier = Notifier()
    notifier.store.away = True

    with pytest.raises(Outage):
        await notifier.worker(event())


def test_the_topics_are_those_of_the_contract() -> None:
    assert wire.NOTIFICATIONS_TOPIC == "tonearm.notifications.v1"
    assert wire.EVENTS_TOPIC == "tonearm.conversion-events.v1"
    assert wire.DEAD_LETTERS_TOPIC == "tonearm.dead-letters.v1"
