"""What becomes of a request, whatever fails on the way."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from notifier_fakes import OWNER, STRANGER, FakeMailer, InMemoryDeliveryStore, a_notice

from notifier_service.domain import (
    Attempt,
    Delivery,
    InvalidPageSize,
    InvalidPageToken,
    Notice,
    Patience,
    State,
)
from notifier_service.letter import Letterhead
from notifier_service.use_cases import ListDeliveries, RequestNotice, SendDelivery
from tonearm.events.v1 import events_pb2
from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import FakeClock

LEASE_SECONDS = 60.0
HOUR = 3600.0


class Notifier:
    """The use cases over fakes, and what they did."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = InMemoryDeliveryStore(self.clock)
        self.mailer = FakeMailer()
        self.woken: list[str] = []
        self.request = RequestNotice(
            self.store,
            wake_sender=lambda: self.woken.append("sender"),
            wake_relay=lambda: self.woken.append("relay"),
        )
        self.send = SendDelivery(
            self.store,
            self.mailer,
            letterhead=Letterhead("tonearm@mail.example", "https://tonearm.example"),
            patience=Patience(timedelta(hours=72)),
            clock=self.clock,
        )
        self.list = ListDeliveries(self.store)

    async def claim(self) -> Delivery:
        delivery = await self.store.claim(LEASE_SECONDS)
        assert delivery is not None
        return delivery

    async def attempt(self) -> Attempt:
        return await self.send(await self.claim())

    async def stored(self, notice: Notice) -> Delivery:
        return await self.store.record(notice)

    async def told(self) -> list[bool]:
        """Tell what the gateway is going to hear: delivered, or given up."""
        return [
            entry.envelope.open(events_pb2.NotificationDelivered).delivered
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

    assert await notifier.store.claim(LEASE_SECONDS) is None
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
    assert await notifier.store.claim(LEASE_SECONDS) is None
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
    with pytest.raises(Outage):
        await notifier.attempt()
    notifier.store.forgetful = False
    notifier.clock.advance(LEASE_SECONDS)

    assert await notifier.attempt() is Attempt.DELIVERED

    first, second = notifier.mailer.sent
    assert first == second
    assert await notifier.told() == [True]


async def test_a_store_that_is_away_for_a_moment_costs_no_second_mail(notifier: Notifier) -> None:
    await notifier.request(a_notice())
    delivery = await notifier.claim()
    pauses: list[float] = []

    async def come_back(seconds: float) -> None:
        pauses.append(seconds)
        notifier.store.forgetful = False

    notifier.store.forgetful = True
    notifier.clock.sleep = come_back  # type: ignore[method-assign]  # only this pause is watched

    assert await notifier.send(delivery) is Attempt.DELIVERED
    assert len(pauses) == len(notifier.mailer.sent) == 1


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

    assert await notifier.store.claim(LEASE_SECONDS) is None
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
