"""What becomes of a request, whatever fails on the way."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
from notifier_fakes import (
    OWNER,
    STRANGER,
    FakeMailer,
    InMemoryDeliveryStore,
    InMemoryWebhookStore,
    a_notice,
)

from notifier_service.domain import (
    BY_MAIL,
    Attempt,
    Channel,
    Delivery,
    InvalidPageSize,
    InvalidPageToken,
    Notice,
    Patience,
    State,
    UnknownDelivery,
)
from notifier_service.letter import Letterhead
from notifier_service.use_cases.mail import MailMessenger
from notifier_service.use_cases.notices import (
    ForgetConversion,
    RedeliverNotice,
    RequestNotice,
    SweepTombstones,
)
from notifier_service.use_cases.records import ListDeliveries
from notifier_service.use_cases.send import Lease, SendDelivery
from tonearm.events.v1 import events_pb2
from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import FakeClock

LEASE_SECONDS = 15.0
HOUR = 3600.0
DAY = 24 * HOUR


class Notifier:
    """The use cases over fakes, and what they did."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = InMemoryDeliveryStore(self.clock)
        self.mailer = FakeMailer()
        self.woken: list[str] = []
        self.request = RequestNotice(
            self.store,
            InMemoryWebhookStore(),
            wake_senders=lambda: self.woken.append("sender"),
            wake_relay=lambda: self.woken.append("relay"),
        )
        self.send = SendDelivery(
            self.store,
            MailMessenger(
                self.mailer, Letterhead("tonearm@mail.example", "https://tonearm.example")
            ),
            lease=Lease(self.store, self.clock, LEASE_SECONDS),
            patience=Patience(timedelta(hours=72)),
            clock=self.clock,
        )
        self.forget = ForgetConversion(self.store, wake_relay=lambda: self.woken.append("relay"))
        self.sweep = SweepTombstones(self.store, keep=timedelta(days=14))
        self.redeliver = RedeliverNotice(
            self.store, wake_senders=lambda: self.woken.append("sender")
        )
        self.list = ListDeliveries(self.store)

    async def claim(self) -> Delivery:
        delivery = await self.store.claim(Channel.MAIL, LEASE_SECONDS)
        assert delivery is not None
        return delivery

    async def attempt(self) -> Attempt:
        return await self.send(await self.claim())

    async def publish(self) -> None:
        """Keep every promise, as the relay does."""
        for entry in await self.store.pending(10):
            await self.store.mark_published(entry)

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[asyncio.Task[Attempt]]:
        """Have an attempt under way that waits in the mailer until the gate is open."""
        self.mailer.gate.clear()
        attempt = asyncio.create_task(self.attempt())
        while not self.mailer.under_way:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)
        try:
            yield attempt
        finally:
            attempt.cancel()
            await asyncio.wait([attempt])

    async def let_pass(self, seconds: float) -> None:
        """Let whoever sleeps on the clock move it on."""
        end = self.clock.monotonic() + seconds
        for _ in range(1000 + 100 * int(seconds)):
            if self.clock.monotonic() >= end:
                return
            await asyncio.sleep(0)
        raise AssertionError("nobody waits any more")

    async def stored(self, notice: Notice) -> Delivery:
        return await self.store.record(notice)

    async def told(self) -> list[bool]:
        """Tell what the gateway is going to hear: delivered, or given up."""
        return [
            entry.envelope.open(events_pb2.NotificationDelivered).delivered
            for entry in await self.store.pending(10)
        ]

    async def confirmed(self) -> list[str]:
        """Tell of which conversions the gateway is going to hear that they are forgotten."""
        return [
            entry.envelope.open(events_pb2.DeletionConfirmed).conversion_id
            for entry in await self.store.pending(10)
        ]


@pytest.fixture
def notifier() -> Notifier:
    return Notifier()


async def test_a_request_becomes_one_mail_and_the_gateway_hears_of_it(notifier: Notifier) -> None:
    await notifier.request(a_notice())

    assert await notifier.attempt() is Attempt.DELIVERED

    assert [letter.recipient for letter in notifier.mailer.sent] == ["ada@example.org"]
    assert (await notifier.stored(a_notice())).state is State.DELIVERED
    assert await notifier.told() == [True]
    assert notifier.woken == ["sender"]


async def test_a_repeat_before_the_mail_is_sent_makes_no_second_mail(notifier: Notifier) -> None:
    await notifier.request(a_notice())
    await notifier.request(a_notice())

    await notifier.attempt()

    assert await notifier.store.claim(Channel.MAIL, LEASE_SECONDS) is None
    assert len(notifier.mailer.sent) == 1


async def test_a_repeat_after_the_mail_is_sent_only_tells_the_gateway_again(
    notifier: Notifier,
) -> None:
    await notifier.request(a_notice())
    await notifier.attempt()
    (entry,) = await notifier.store.pending(10)
    await notifier.store.mark_published(entry)

    await notifier.request(a_notice())

    assert await notifier.told() == [True]
    assert await notifier.store.claim(Channel.MAIL, LEASE_SECONDS) is None
    assert len(notifier.mailer.sent) == 1
    assert notifier.woken == ["sender", "relay"]


async def test_a_repeat_after_a_mail_was_given_up_tells_the_gateway_so_again(
    notifier: Notifier,
) -> None:
    notifier.mailer.refuse()
    await notifier.request(a_notice())
    await notifier.attempt()
    (entry,) = await notifier.store.pending(10)
    await notifier.store.mark_published(entry)

    await notifier.request(a_notice())

    assert await notifier.told() == [False]


async def test_a_request_that_cannot_be_recorded_is_an_outage(notifier: Notifier) -> None:
    notifier.store.away = True

    with pytest.raises(Outage):
        await notifier.request(a_notice())


async def test_a_crash_between_sending_and_recording_sends_again_with_the_same_message_id(
    notifier: Notifier,
) -> None:
    await notifier.request(a_notice())
    notifier.store.forgetful = True
    dying = asyncio.create_task(notifier.attempt())
    await notifier.let_pass(1)
    dying.cancel()
    await asyncio.wait([dying])
    notifier.store.forgetful = False
    notifier.clock.advance(LEASE_SECONDS)

    assert await notifier.attempt() is Attempt.DELIVERED

    first, second = notifier.mailer.sent
    assert first == second
    assert await notifier.told() == [True]


@pytest.mark.parametrize("seconds", [1, 10 * 60, 5 * HOUR])
async def test_a_store_that_is_away_costs_no_second_mail_however_long(
    notifier: Notifier, seconds: float
) -> None:
    await notifier.request(a_notice())

    notifier.store.forgetful = True
    attempt = asyncio.create_task(notifier.attempt())
    await notifier.let_pass(seconds)
    back = notifier.clock.monotonic()
    notifier.store.forgetful = False

    assert await attempt is Attempt.DELIVERED
    assert len(notifier.mailer.sent) == 1
    assert notifier.clock.monotonic() - back < LEASE_SECONDS


async def test_a_failure_that_cannot_be_recorded_yet_is_recorded_later(notifier: Notifier) -> None:
    await notifier.request(a_notice())
    async with notifier.under_way() as attempt:
        notifier.mailer.defer()
        notifier.store.away = True
        notifier.mailer.gate.set()
        await notifier.let_pass(120)
        notifier.store.away = False

        assert await attempt is Attempt.POSTPONED

    assert (await notifier.stored(a_notice())).last_error == "the mail server answered 450 busy"


async def test_a_mail_that_takes_long_keeps_its_lease(notifier: Notifier) -> None:
    await notifier.request(a_notice())
    async with notifier.under_way() as attempt:
        await notifier.let_pass(5 * LEASE_SECONDS)
        rival = await notifier.store.claim(Channel.MAIL, LEASE_SECONDS)
        notifier.mailer.gate.set()

        assert rival is None
        assert await attempt is Attempt.DELIVERED


async def test_a_store_that_is_away_while_a_mail_is_under_way_stops_nothing(
    notifier: Notifier,
) -> None:
    await notifier.request(a_notice())
    async with notifier.under_way() as attempt:
        notifier.store.away = True
        await notifier.let_pass(5 * LEASE_SECONDS)
        notifier.store.away = False
        notifier.mailer.gate.set()

        assert await attempt is Attempt.DELIVERED
    assert len(notifier.mailer.sent) == 1


async def test_whoever_loses_the_lease_while_sending_stops(notifier: Notifier) -> None:
    await notifier.request(a_notice())
    async with notifier.under_way() as attempt:
        notifier.clock.advance(LEASE_SECONDS)
        await notifier.claim()

        assert await attempt is Attempt.SUPERSEDED
    assert notifier.mailer.under_way == 0
    assert notifier.mailer.sent == []


async def test_a_mail_of_a_conversion_that_is_deleted_meanwhile_stops_and_changes_nothing(
    notifier: Notifier,
) -> None:
    await notifier.request(a_notice())
    async with notifier.under_way() as attempt:
        await notifier.forget(a_notice().conversion_id)

        assert await attempt is Attempt.SUPERSEDED
    assert notifier.mailer.sent == []
    assert await notifier.confirmed() == [a_notice().conversion_id]


async def test_a_mail_that_was_handed_over_as_its_conversion_was_deleted_leaves_no_record(
    notifier: Notifier,
) -> None:
    await notifier.request(a_notice())
    delivery = await notifier.claim()
    await notifier.forget(a_notice().conversion_id)

    assert await notifier.send(delivery) is Attempt.SUPERSEDED

    assert (await notifier.list(OWNER, "", 0, "")).deliveries == ()
    assert await notifier.confirmed() == [a_notice().conversion_id]


@pytest.mark.parametrize("known", [True, False])
async def test_deleting_is_confirmed_each_time_whether_anything_was_kept_or_not(
    notifier: Notifier, *, known: bool
) -> None:
    if known:
        await notifier.request(a_notice())
    notifier.woken.clear()

    await notifier.forget(a_notice().conversion_id)
    await notifier.publish()
    await notifier.forget(a_notice().conversion_id)

    assert await notifier.confirmed() == [a_notice().conversion_id]
    assert notifier.woken == ["relay", "relay"]
    assert await notifier.store.claim(Channel.MAIL, LEASE_SECONDS) is None


async def test_a_late_request_for_a_deleted_conversion_only_confirms_again(
    notifier: Notifier,
) -> None:
    await notifier.forget(a_notice().conversion_id)
    await notifier.publish()
    notifier.woken.clear()

    await notifier.request(a_notice())

    assert await notifier.store.claim(Channel.MAIL, LEASE_SECONDS) is None
    assert (await notifier.list(OWNER, "", 0, "")).deliveries == ()
    assert await notifier.confirmed() == [a_notice().conversion_id]
    assert notifier.woken == ["relay"]


async def test_tombstones_are_swept_after_two_weeks_but_never_untold(notifier: Notifier) -> None:
    for number in (1, 2):
        await notifier.forget(a_notice(number).conversion_id)
    (first, *_) = await notifier.store.pending(10)
    await notifier.store.mark_published(first)

    notifier.clock.advance(14 * DAY - 1)
    await notifier.sweep()
    early = len(notifier.store.forgotten)
    notifier.clock.advance(1)
    await notifier.sweep()

    assert early == 2
    assert list(notifier.store.forgotten) == [BY_MAIL.key(a_notice(2).conversion_id)]


@pytest.mark.parametrize("ending", ["delivered", "refused", "given up"])
async def test_a_settled_notice_is_sent_again_when_its_owner_asks(
    notifier: Notifier, ending: str
) -> None:
    await notifier.request(a_notice())
    if ending == "refused":
        notifier.mailer.refuse()
    if ending == "given up":
        notifier.mailer.go_away()
        await notifier.attempt()
        notifier.clock.advance(72 * HOUR)
    await notifier.attempt()
    notifier.woken.clear()
    notifier.mailer.recover()
    notifier.mailer.sent.clear()

    asked = await notifier.redeliver(OWNER, a_notice().conversion_id)

    assert (asked.state, asked.last_error, asked.settled_at) == (State.PENDING, "", None)
    assert notifier.woken == ["sender"]
    assert await notifier.attempt() is Attempt.DELIVERED
    assert [letter.recipient for letter in notifier.mailer.sent] == ["ada@example.org"]
    assert (await notifier.stored(a_notice())).attempts == asked.attempts + 1


async def test_a_notice_that_is_sent_again_keeps_its_message_id(notifier: Notifier) -> None:
    await notifier.request(a_notice())
    await notifier.attempt()

    await notifier.redeliver(OWNER, a_notice().conversion_id)
    await notifier.attempt()

    first, second = notifier.mailer.sent
    assert first.message_id == second.message_id


async def test_asking_twice_before_it_was_sent_makes_one_mail(notifier: Notifier) -> None:
    await notifier.request(a_notice())
    await notifier.attempt()

    first = await notifier.redeliver(OWNER, a_notice().conversion_id)
    second = await notifier.redeliver(OWNER, a_notice().conversion_id)
    await notifier.attempt()

    assert first == second
    assert await notifier.store.claim(Channel.MAIL, LEASE_SECONDS) is None
    assert len(notifier.mailer.sent) == 2


async def test_asking_for_a_notice_that_waits_ends_its_pause(notifier: Notifier) -> None:
    notifier.mailer.defer()
    await notifier.request(a_notice())
    await notifier.attempt()
    notifier.mailer.recover()

    await notifier.redeliver(OWNER, a_notice().conversion_id)

    assert await notifier.attempt() is Attempt.DELIVERED


async def test_a_notice_that_was_asked_for_again_is_tried_for_as_long_as_a_new_one(
    notifier: Notifier,
) -> None:
    await notifier.request(a_notice())
    await notifier.attempt()
    notifier.clock.advance(30 * DAY)
    notifier.mailer.go_away()
    await notifier.redeliver(OWNER, a_notice().conversion_id)

    attempts = []
    for _ in range(72):
        attempts.append(await notifier.attempt())
        notifier.clock.advance(HOUR)
    attempts.append(await notifier.attempt())

    assert set(attempts[:-1]) == {Attempt.POSTPONED}
    assert attempts[-1] is Attempt.ABANDONED


async def test_a_late_record_of_an_earlier_attempt_does_not_swallow_the_repeat(
    notifier: Notifier,
) -> None:
    await notifier.request(a_notice())
    earlier = await notifier.claim()
    await notifier.store.settle(earlier.delivered(notifier.clock.now()))
    await notifier.redeliver(OWNER, a_notice().conversion_id)

    repeated = await notifier.store.settle(earlier.delivered(notifier.clock.now()))

    assert not repeated
    assert await notifier.attempt() is Attempt.DELIVERED


@pytest.mark.parametrize("whose", ["a stranger's", "deleted", "none"])
async def test_nobody_repeats_what_is_not_theirs_to_repeat(notifier: Notifier, whose: str) -> None:
    if whose != "none":
        await notifier.request(a_notice())
    if whose == "deleted":
        await notifier.forget(a_notice().conversion_id)
    caller = STRANGER if whose == "a stranger's" else OWNER

    with pytest.raises(UnknownDelivery):
        await notifier.redeliver(caller, a_notice().conversion_id)


async def test_a_mail_that_nobody_takes_is_tried_to_the_end_of_three_days_and_then_no_more(
    notifier: Notifier,
) -> None:
    notifier.mailer.go_away()
    await notifier.request(a_notice())

    tried: list[float] = []
    while (delivery := await notifier.store.claim(Channel.MAIL, LEASE_SECONDS)) is None or (
        await notifier.send(delivery) is Attempt.POSTPONED
    ):
        if delivery:
            tried.append(notifier.clock.monotonic())
        notifier.clock.advance(1)

    assert (await notifier.stored(a_notice())).state is State.ABANDONED
    assert 71.5 * HOUR <= tried[-1] < 72 * HOUR
    assert 72 * HOUR <= notifier.clock.monotonic() <= 72.5 * HOUR
    assert max(late - early for early, late in pairwise(tried)) <= 0.5 * HOUR + LEASE_SECONDS
    assert 144 <= len(tried) < 300


async def test_a_refused_mail_is_given_up_at_once_and_says_why(notifier: Notifier) -> None:
    notifier.mailer.refuse()
    await notifier.request(a_notice())

    assert await notifier.attempt() is Attempt.ABANDONED

    stored = await notifier.stored(a_notice())
    assert stored.state is State.ABANDONED
    assert stored.last_error == "the mail server answered 550 no such user"
    assert await notifier.told() == [False]


async def test_a_deferred_mail_comes_again_after_a_pause(notifier: Notifier) -> None:
    notifier.mailer.defer()
    await notifier.request(a_notice())

    assert await notifier.attempt() is Attempt.POSTPONED

    assert await notifier.store.claim(Channel.MAIL, LEASE_SECONDS) is None
    assert (await notifier.stored(a_notice())).last_error == "the mail server answered 450 busy"
    assert await notifier.told() == []
    notifier.mailer.recover()
    notifier.clock.advance(5)
    assert await notifier.attempt() is Attempt.DELIVERED
    assert (await notifier.stored(a_notice())).last_error == ""


async def test_an_outage_of_the_mail_server_is_waited_out_without_naming_it_to_the_owner(
    notifier: Notifier,
) -> None:
    notifier.mailer.go_away()
    await notifier.request(a_notice())

    assert await notifier.attempt() is Attempt.POSTPONED

    stored = await notifier.stored(a_notice())
    assert stored.state is State.PENDING
    assert stored.last_error == "the mail server could not be reached"


async def test_after_days_of_outage_a_mail_is_given_up(notifier: Notifier) -> None:
    notifier.mailer.go_away()
    await notifier.request(a_notice())

    attempts = []
    for _ in range(72):
        attempts.append(await notifier.attempt())
        notifier.clock.advance(HOUR)
    attempts.append(await notifier.attempt())

    assert set(attempts[:-1]) == {Attempt.POSTPONED}
    assert attempts[-1] is Attempt.ABANDONED
    assert await notifier.told() == [False]
    stored = await notifier.stored(a_notice())
    assert stored.last_error == "the mail server could not be reached"


async def test_a_mail_that_waited_for_days_untried_is_still_tried(notifier: Notifier) -> None:
    await notifier.request(a_notice())
    notifier.clock.advance(100 * HOUR)

    assert await notifier.attempt() is Attempt.DELIVERED


@pytest.mark.parametrize("trouble", ["none", "refuse", "defer"])
async def test_whoever_lost_the_lease_records_nothing(notifier: Notifier, trouble: str) -> None:
    await notifier.request(a_notice())
    zombie = await notifier.claim()
    notifier.clock.advance(LEASE_SECONDS)
    await notifier.claim()
    if trouble != "none":
        getattr(notifier.mailer, trouble)()

    assert await notifier.send(zombie) is Attempt.SUPERSEDED

    assert (await notifier.stored(a_notice())).state is State.PENDING
    assert await notifier.told() == []


async def test_pages_show_everything_once_newest_first(notifier: Notifier) -> None:
    for number in range(45):
        await notifier.request(a_notice(number))
        notifier.clock.advance(1)

    seen: list[str] = []
    token = ""
    sizes: list[int] = []
    while not sizes or token:
        page = await notifier.list(OWNER, "", 0, token)
        seen += [each.notice.conversion_id for each in page.deliveries]
        sizes.append(len(page.deliveries))
        token = page.next_token

    assert sizes == [20, 20, 5]
    assert seen == [a_notice(number).conversion_id for number in reversed(range(45))]


async def test_a_page_has_a_hundred_entries_at_most(notifier: Notifier) -> None:
    for number in range(101):
        await notifier.request(a_notice(number))

    page = await notifier.list(OWNER, "", 1000, "")

    assert len(page.deliveries) == 100
    assert page.next_token


async def test_the_last_page_has_no_token_even_if_it_is_full(notifier: Notifier) -> None:
    await notifier.request(a_notice())

    page = await notifier.list(OWNER, "", 1, "")

    assert page.next_token == ""


async def test_a_negative_page_size_is_refused(notifier: Notifier) -> None:
    with pytest.raises(InvalidPageSize):
        await notifier.list(OWNER, "", -1, "")


@pytest.mark.parametrize(
    "token", ["nonsense", "ä", "W10", "bnVsbA", "WzEsMiwzXQ", "W1tbW1tb" * 100, "A" * 100_000]
)
async def test_a_token_that_nobody_gave_out_is_refused(notifier: Notifier, token: str) -> None:
    with pytest.raises(InvalidPageToken):
        await notifier.list(OWNER, "", 0, token)


@pytest.mark.parametrize(
    "place", [("0001-01-01T00:00:00+23:59", "c1"), ("2026-01-01T00:00:00+00:00", "\ud800")]
)
async def test_a_token_that_somebody_made_up_is_refused(
    notifier: Notifier, place: tuple[str, str]
) -> None:
    for number in (1, 2):
        await notifier.request(a_notice(number))
    token = (await notifier.list(OWNER, "", 1, "")).next_token
    binding, *_ = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    made_up = base64.urlsafe_b64encode(json.dumps([binding, *place]).encode()).decode()

    with pytest.raises(InvalidPageToken):
        await notifier.list(OWNER, "", 1, made_up.rstrip("="))


async def test_a_token_is_good_for_the_list_it_came_from_only(notifier: Notifier) -> None:
    for number in (1, 2):
        await notifier.request(a_notice(number))
    token = (await notifier.list(OWNER, "", 1, "")).next_token

    with pytest.raises(InvalidPageToken):
        await notifier.list(OWNER, a_notice(1).conversion_id, 1, token)
    with pytest.raises(InvalidPageToken):
        await notifier.list(STRANGER, "", 1, token)
    assert len((await notifier.list(OWNER, "", 50, token)).deliveries) == 1
