"""What becomes of webhooks, and of what is sent to them."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from notifier_fakes import (
    OWNER,
    STRANGER,
    FakeCourier,
    InMemoryDeliveryStore,
    InMemoryWebhookStore,
    Post,
    a_notice,
)
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from notifier_service import wire
from notifier_service.domain import (
    Attempt,
    Channel,
    Delivery,
    InvalidPageToken,
    InvalidRequestId,
    InvalidURL,
    NoticeDeferred,
    Outcome,
    Patience,
    RequestIdReused,
    Route,
    State,
    TooManyWebhooks,
    UnknownDelivery,
    UnknownWebhook,
    Webhook,
    WebhookDeleted,
)
from notifier_service.ports import Reply
from notifier_service.use_cases.hooks import WebhookMessenger
from notifier_service.use_cases.notices import ForgetConversion, RedeliverNotice, RequestNotice
from notifier_service.use_cases.send import Lease, SendDelivery
from notifier_service.use_cases.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    EnableWebhook,
    GetWebhook,
    ListWebhooks,
    RotateSecret,
    Terms,
)
from tonearm.events.v1 import events_pb2
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import FakeClock

LEASE_SECONDS = 15.0
URL = "https://hooks.example/in"
REQUEST_ID = "0e3c3a5c-0b6f-4b2d-9b8e-8c6d2a7f1e00"


class PresentClock(FakeClock):
    """A clock that tests move, and that began now: signatures are verified by the real time."""

    def __init__(self) -> None:
        super().__init__()
        self.late_by = SystemClock().now() - super().now()

    def now(self) -> datetime:
        return super().now() + self.late_by


class Notifier:
    """The use cases of webhooks over fakes."""

    def __init__(self) -> None:
        self.clock = PresentClock()
        self.store = InMemoryDeliveryStore(self.clock)
        self.webhooks = InMemoryWebhookStore()
        self.courier = FakeCourier()
        self.woken: list[str] = []
        self.request = RequestNotice(
            self.store,
            self.webhooks,
            wake_senders=lambda: self.woken.append("senders"),
            wake_relay=lambda: self.woken.append("relay"),
        )
        self.messenger = WebhookMessenger(
            self.webhooks, self.courier, write=wire.webhook_body, clock=self.clock
        )
        self.send = SendDelivery(
            self.store,
            self.messenger,
            lease=Lease(self.store, self.clock, LEASE_SECONDS),
            patience=Patience(timedelta(hours=72), chance=lambda: 1.0),
            clock=self.clock,
        )
        self.forget = ForgetConversion(self.store, wake_relay=lambda: None)
        self.redeliver = RedeliverNotice(self.store, wake_senders=lambda: None)
        self.create = CreateWebhook(self.webhooks, Terms(at_most=3), self.clock)
        self.get = GetWebhook(self.webhooks)
        self.list = ListWebhooks(self.webhooks)
        self.delete = DeleteWebhook(self.webhooks, self.store)
        self.enable = EnableWebhook(self.webhooks)
        self.rotate = RotateSecret(self.webhooks, self.clock)

    async def claim(self) -> Delivery:
        delivery = await self.store.claim(Channel.WEBHOOK, LEASE_SECONDS)
        assert delivery is not None
        return delivery

    async def attempt(self) -> Attempt:
        return await self.send(await self.claim())

    async def hooks(self, account_id: str = OWNER) -> list[Delivery]:
        shown = await self.store.newest(account_id, "", None, 100)
        return [each for each in shown if each.route.channel is Channel.WEBHOOK]

    async def only_hook(self) -> Delivery:
        (hook,) = await self.hooks()
        return hook


@pytest.fixture
def notifier() -> Notifier:
    return Notifier()


def verified(post: Post, webhook: Webhook) -> object:
    """Do what every receiver should: check the signature, then read."""
    return Verifier(webhook.secrets[0].text).verify(post.body, dict(post.headers))


async def test_a_request_is_told_to_each_webhook_with_a_signature_that_holds(
    notifier: Notifier,
) -> None:
    first = await notifier.create(OWNER, URL, "")
    second = await notifier.create(OWNER, "https://elsewhere.example/", "")
    ended = notifier.clock.now()
    await notifier.request(replace(a_notice(), end_time=ended, failure_reason=""))

    attempts = [await notifier.attempt(), await notifier.attempt()]

    assert attempts == [Attempt.DELIVERED, Attempt.DELIVERED]
    posts = {post.url: post for post in notifier.courier.posts}
    stamp = ended.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert verified(posts[URL], first) == {
        "type": "conversion.succeeded",
        "timestamp": stamp,
        "data": {
            "conversion_id": a_notice().conversion_id,
            "state": "SUCCEEDED",
            "end_time": stamp,
            "error_reason": "",
            "error_message": "",
            "video_filename": "holiday.mp4",
        },
    }
    assert posts[URL].headers["webhook-id"] == f"{a_notice().conversion_id}:webhook:{first.id}"
    assert posts[URL].headers["content-type"] == "application/json"
    verified(posts["https://elsewhere.example/"], second)
    with pytest.raises(WebhookVerificationError):
        verified(posts[URL], second)


async def test_the_gateway_hears_of_the_mail_only_and_not_before_all_is_recorded(
    notifier: Notifier,
) -> None:
    await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())
    notifier.courier.reply = Reply(500)
    await notifier.attempt()

    assert await notifier.store.pending(10) == []
    assert notifier.woken == ["senders"]


async def test_whoever_sends_the_mail_first_records_what_a_dead_notifier_left_unrecorded(
    notifier: Notifier,
) -> None:
    class Mailer:
        recorded: tuple[Delivery, ...] = ()

        async def send(self, _: Delivery) -> None:
            self.recorded = tuple(await notifier.hooks())

    mailer = Mailer()
    webhook = await notifier.create(OWNER, URL, "")
    await notifier.store.record(a_notice(), (webhook.id,))
    send = SendDelivery(
        notifier.store,
        mailer,
        lease=Lease(notifier.store, notifier.clock, LEASE_SECONDS),
        patience=Patience(timedelta(hours=72)),
        clock=notifier.clock,
    )

    mail = await notifier.store.claim(Channel.MAIL, LEASE_SECONDS)
    assert mail is not None
    assert await send(mail) is Attempt.DELIVERED

    assert [each.route.webhook_id for each in mailer.recorded] == [webhook.id]
    assert await notifier.attempt() is Attempt.DELIVERED


async def test_a_mail_is_not_settled_while_webhooks_cannot_be_recorded(
    notifier: Notifier,
) -> None:
    class Unbranching(InMemoryDeliveryStore):
        async def branch(self, delivery: Delivery) -> None:
            raise Outage(delivery.key)

    class Nobody:
        async def send(self, _: object) -> None:
            raise AssertionError("this must not be sent yet")

    store = Unbranching(notifier.clock)
    await store.record(a_notice(), ("w1",))
    mail = await store.claim(Channel.MAIL, LEASE_SECONDS)
    assert mail is not None
    send = SendDelivery(
        store,
        Nobody(),
        lease=Lease(store, notifier.clock, LEASE_SECONDS),
        patience=Patience(timedelta(hours=72)),
        clock=notifier.clock,
    )

    assert await send(mail) is Attempt.POSTPONED

    assert await store.pending(10) == []


async def test_a_repeated_request_tells_no_webhook_that_was_made_since(
    notifier: Notifier,
) -> None:
    before = await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())
    await notifier.create(OWNER, "https://later.example/", "")

    await notifier.request(a_notice())

    assert [each.route.webhook_id for each in await notifier.hooks()] == [before.id]


async def test_a_request_tells_neither_disabled_nor_deleted_webhooks_nor_those_of_others(
    notifier: Notifier,
) -> None:
    gone = await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice(1))
    notifier.courier.reply = Reply(410)
    await notifier.attempt()
    deleted = await notifier.create(OWNER, URL, "")
    await notifier.delete(OWNER, deleted.id)
    await notifier.create(STRANGER, URL, "")

    await notifier.request(a_notice(2))

    assert not (await notifier.get(OWNER, gone.id)).is_enabled
    assert {each.notice.conversion_id for each in await notifier.hooks()} == {
        a_notice(1).conversion_id
    }
    assert await notifier.hooks(STRANGER) == []


async def test_a_notifier_that_dies_while_it_sends_sends_again_under_the_same_id(
    notifier: Notifier,
) -> None:
    await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())
    await notifier.messenger.send(await notifier.claim())  # and then it is killed
    notifier.clock.advance(LEASE_SECONDS)

    assert await notifier.attempt() is Attempt.DELIVERED

    first, second = notifier.courier.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (301, "it answered 301, and redirects are not followed"),
        (400, "it answered 400"),
        (404, "it answered 404"),
        (429, "it answered 429"),
        (500, "it answered 500"),
        (503, "it answered 503"),
    ],
)
async def test_what_an_endpoint_does_not_take_is_tried_again(
    notifier: Notifier, status: int, why: str
) -> None:
    await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())
    notifier.courier.reply = Reply(status)

    assert await notifier.attempt() is Attempt.POSTPONED

    hook = await notifier.only_hook()
    assert (hook.state, hook.last_error) == (State.PENDING, why)
    notifier.courier.reply = Reply(200)
    notifier.clock.advance(5)
    assert await notifier.attempt() is Attempt.DELIVERED


async def test_an_endpoint_that_cannot_be_reached_is_tried_again_and_its_owner_told_why(
    notifier: Notifier,
) -> None:
    await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())
    notifier.courier.trouble = NoticeDeferred("its name leads to no public address")

    assert await notifier.attempt() is Attempt.POSTPONED

    assert (await notifier.only_hook()).last_error == "its name leads to no public address"


@pytest.mark.parametrize(
    ("asked_for", "pause"), [(0.0, 5.0), (3.0, 5.0), (600.0, 600.0), (1e9, 1800.0)]
)
async def test_an_endpoint_that_asks_to_be_spared_is_spared_within_bounds(
    notifier: Notifier, asked_for: float, pause: float
) -> None:
    await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())
    notifier.courier.reply = Reply(503, asked_for)
    await notifier.attempt()

    notifier.clock.advance(pause - 1)
    early = await notifier.store.claim(Channel.WEBHOOK, LEASE_SECONDS)
    notifier.clock.advance(1)

    assert early is None
    assert await notifier.store.claim(Channel.WEBHOOK, LEASE_SECONDS) is not None


async def test_an_endpoint_that_is_gone_is_disabled_and_what_waits_for_it_given_up(
    notifier: Notifier,
) -> None:
    webhook = await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice(1))
    await notifier.request(a_notice(2))
    notifier.courier.reply = Reply(410)

    attempts = [await notifier.attempt(), await notifier.attempt()]

    assert attempts == [Attempt.ABANDONED, Attempt.ABANDONED]
    assert len(notifier.courier.posts) == 1
    shown = await notifier.get(OWNER, webhook.id)
    why = "it answered 410 (gone), which says that it wants no more"
    assert (shown.is_enabled, shown.disable_reason) == (False, why)
    assert {each.last_error for each in await notifier.hooks()} == {why, "the webhook is disabled"}


async def test_what_was_given_up_for_a_disabled_webhook_comes_when_it_is_enabled_and_asked_for(
    notifier: Notifier,
) -> None:
    webhook = await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())
    notifier.courier.reply = Reply(410)
    await notifier.attempt()
    notifier.courier.reply = Reply(204)

    enabled = await notifier.enable(OWNER, webhook.id)
    await notifier.redeliver(OWNER, a_notice().conversion_id, Route.to_webhook(webhook.id))

    assert enabled.is_enabled
    assert await notifier.attempt() is Attempt.DELIVERED
    first, second = notifier.courier.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_a_webhook_that_was_disabled_while_the_store_was_away_is_asked_again(
    notifier: Notifier,
) -> None:
    await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())
    delivery = await notifier.claim()
    notifier.webhooks.away = True

    assert await notifier.send(delivery) is Attempt.POSTPONED

    why = "the service could not reach its own records"
    assert (await notifier.only_hook()).last_error == why


async def test_a_deleted_webhook_gets_nothing_more(notifier: Notifier) -> None:
    webhook = await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())

    await notifier.delete(OWNER, webhook.id)

    hook = await notifier.only_hook()
    assert (hook.state, hook.last_error) == (State.ABANDONED, "the webhook was deleted")
    with pytest.raises(UnknownWebhook):
        await notifier.get(OWNER, webhook.id)
    with pytest.raises(UnknownWebhook):
        await notifier.delete(OWNER, webhook.id)


async def test_what_is_recorded_as_a_webhook_is_deleted_is_given_up_when_it_is_due(
    notifier: Notifier,
) -> None:
    webhook = await notifier.create(OWNER, URL, "")
    await notifier.delete(OWNER, webhook.id)
    await notifier.store.branch(await notifier.store.record(a_notice(), (webhook.id,)))

    assert await notifier.attempt() is Attempt.ABANDONED

    assert (await notifier.only_hook()).last_error == "the webhook was deleted"
    assert notifier.courier.posts == []


async def test_a_webhook_that_nobody_takes_is_given_up_after_three_days(
    notifier: Notifier,
) -> None:
    await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())
    notifier.courier.reply = Reply(500)

    attempts = [await notifier.attempt()]
    for _ in range(72):
        notifier.clock.advance(3600)
        attempts.append(await notifier.attempt())

    assert attempts[-1] is Attempt.ABANDONED
    assert set(attempts[:-1]) == {Attempt.POSTPONED}


async def test_a_deleted_conversion_is_told_to_nobody(notifier: Notifier) -> None:
    await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())

    await notifier.forget(a_notice().conversion_id)
    await notifier.request(a_notice())

    assert await notifier.store.claim(Channel.WEBHOOK, LEASE_SECONDS) is None
    assert await notifier.hooks() == []
    (entry,) = await notifier.store.pending(10)
    assert entry.envelope.open(events_pb2.DeletionConfirmed).party == events_pb2.PARTY_NOTIFIER


async def test_nobody_repeats_a_webhook_that_is_not_theirs(notifier: Notifier) -> None:
    webhook = await notifier.create(OWNER, URL, "")
    await notifier.request(a_notice())
    conversion_id = a_notice().conversion_id

    for caller, webhook_id in ((STRANGER, webhook.id), (OWNER, "nothing")):
        with pytest.raises(UnknownDelivery):
            await notifier.redeliver(caller, conversion_id, Route.to_webhook(webhook_id))


async def test_the_body_stays_small_whatever_a_video_is_called(notifier: Notifier) -> None:
    await notifier.create(OWNER, URL, "")
    notice = replace(
        a_notice(name="\U0001f3ac" * 5000),
        outcome=Outcome.FAILED,
        failure_message='"\x00' * 5000,
        failure_reason="NO_AUDIO_TRACK",
    )
    await notifier.request(notice)

    await notifier.attempt()

    (post,) = notifier.courier.posts
    assert len(post.body) < 20_000
    assert json.loads(post.body)["type"] == "conversion.failed"
    assert json.loads(post.body)["data"]["error_reason"] == "NO_AUDIO_TRACK"


async def test_two_secrets_sign_for_a_day_after_a_rotation(notifier: Notifier) -> None:
    earlier = await notifier.create(OWNER, URL, "")
    later = await notifier.rotate(OWNER, earlier.id)
    await notifier.request(a_notice())

    await notifier.attempt()

    (post,) = notifier.courier.posts
    assert earlier.secrets[0].text != later.secrets[0].text
    assert verified(post, earlier) == verified(post, later)
    assert len(post.headers["webhook-signature"].split(" ")) == 2


async def test_a_new_webhook_has_a_secret_that_nobody_can_guess(notifier: Notifier) -> None:
    first, second = [await notifier.create(OWNER, URL, "") for _ in range(2)]

    assert re.fullmatch(r"whsec_[0-9A-Za-z+/]{43}=", first.secrets[0].text)
    assert first.secrets != second.secrets
    assert first.id != second.id


async def test_a_repeat_of_a_request_finds_the_same_webhook_and_secret(
    notifier: Notifier,
) -> None:
    first = await notifier.create(OWNER, URL, REQUEST_ID)

    again = await notifier.create(OWNER, URL, REQUEST_ID.upper())
    of_another = await notifier.create(STRANGER, URL, REQUEST_ID)

    assert again == first
    assert of_another.id != first.id


async def test_a_repeat_finds_its_webhook_also_when_there_may_be_no_more(
    notifier: Notifier,
) -> None:
    first = await notifier.create(OWNER, URL, REQUEST_ID)
    for _ in range(2):
        await notifier.create(OWNER, URL, "")

    assert await notifier.create(OWNER, URL, REQUEST_ID) == first


@pytest.mark.parametrize(
    ("url", "request_id", "refusal"),
    [
        ("https://elsewhere.example/", REQUEST_ID, RequestIdReused),
        (URL, "mine", InvalidRequestId),
        ("http://hooks.example/", "", InvalidURL),
    ],
)
async def test_what_makes_no_webhook_is_refused(
    notifier: Notifier, url: str, request_id: str, refusal: type[Exception]
) -> None:
    await notifier.create(OWNER, URL, REQUEST_ID)

    with pytest.raises(refusal):
        await notifier.create(OWNER, url, request_id)


async def test_a_request_whose_webhook_was_deleted_makes_no_other(notifier: Notifier) -> None:
    webhook = await notifier.create(OWNER, URL, REQUEST_ID)
    await notifier.delete(OWNER, webhook.id)

    with pytest.raises(WebhookDeleted):
        await notifier.create(OWNER, URL, REQUEST_ID)


async def test_many_at_once_make_no_more_webhooks_than_there_may_be(notifier: Notifier) -> None:
    made = await asyncio.gather(
        *(notifier.create(OWNER, URL, str(uuid.uuid4())) for _ in range(10)),
        return_exceptions=True,
    )

    assert len([each for each in made if isinstance(each, Webhook)]) == 3
    assert len([each for each in made if isinstance(each, TooManyWebhooks)]) == 7
    assert len((await notifier.list(OWNER, 0, "")).webhooks) == 3


async def test_one_request_many_times_at_once_makes_one_webhook(notifier: Notifier) -> None:
    made = await asyncio.gather(*(notifier.create(OWNER, URL, REQUEST_ID) for _ in range(8)))

    assert len({each.id for each in made}) == 1
    assert len((await notifier.list(OWNER, 0, "")).webhooks) == 1


async def test_pages_of_webhooks_follow_one_another_newest_first(notifier: Notifier) -> None:
    made = []
    for _ in range(3):
        made.append(await notifier.create(OWNER, URL, ""))
        notifier.clock.advance(1)
    await notifier.create(STRANGER, URL, "")

    first = await notifier.list(OWNER, 2, "")
    await notifier.delete(OWNER, first.webhooks[-1].id)
    second = await notifier.list(OWNER, 2, first.next_token)

    assert [each.id for each in (*first.webhooks, *second.webhooks)] == [
        each.id for each in reversed(made)
    ]
    assert second.next_token == ""
    with pytest.raises(InvalidPageToken):
        await notifier.list(STRANGER, 2, first.next_token)


VERBS: list[Callable[[Notifier], Callable[[str, str], object]]] = [
    lambda notifier: notifier.get,
    lambda notifier: notifier.delete,
    lambda notifier: notifier.enable,
    lambda notifier: notifier.rotate,
]


@pytest.mark.parametrize("verb", VERBS, ids=["get", "delete", "enable", "rotate"])
async def test_the_webhooks_of_others_are_unknown(
    notifier: Notifier, verb: Callable[[Notifier], Callable[[str, str], object]]
) -> None:
    theirs = await notifier.create(STRANGER, URL, "")

    for webhook_id in (theirs.id, "", "nothing"):
        with pytest.raises(UnknownWebhook):
            await verb(notifier)(OWNER, webhook_id)  # type: ignore[misc] # all are awaitable

    assert await notifier.get(STRANGER, theirs.id) == theirs


async def test_a_store_that_is_too_busy_is_an_outage(notifier: Notifier) -> None:
    class Busy(InMemoryWebhookStore):
        async def save(self, _: object) -> bool:
            return False

    create = CreateWebhook(Busy(), Terms(at_most=3), notifier.clock)

    with pytest.raises(Outage):
        await create(OWNER, URL, "")
