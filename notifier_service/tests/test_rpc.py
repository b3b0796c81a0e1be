"""The NotifierService as a caller sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import grpc
import pytest
from notifier_fakes import (
    OWNER,
    STRANGER,
    InMemoryDeliveryStore,
    InMemoryWebhookStore,
    a_notice,
)

from notifier_service import rpc
from notifier_service.domain import Channel
from notifier_service.use_cases.notices import RedeliverNotice
from notifier_service.use_cases.records import ListDeliveries
from notifier_service.use_cases.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    EnableWebhook,
    GetWebhook,
    ListWebhooks,
    RotateSecret,
    Terms,
)
from tonearm.notifier.v1 import notifier_pb2, notifier_pb2_grpc
from tonearm_chassis.server import Binding
from tonearm_chassis.status import reason_of
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.rpc import serving
from tonearm_chassis.testing.tokens import TokenIssuer

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Service:
    """A notifier that serves, its store, and an issuer that it trusts."""

    store: InMemoryDeliveryStore
    clock: FakeClock
    issuer: TokenIssuer
    stub: notifier_pb2_grpc.NotifierServiceAsyncStub
    woken: list[str]

    async def redeliver(
        self,
        conversion_id: str,
        metadata: Metadata = (),
        channel: int = 0,
        webhook_id: str = "",
    ) -> notifier_pb2.Delivery:
        request = notifier_pb2.RedeliverNoticeRequest(
            conversion_id=conversion_id, webhook_id=webhook_id
        )
        request.channel = channel  # type: ignore[assignment]  # also numbers that have no name
        answer = await self.stub.RedeliverNotice(request, metadata=metadata, timeout=5)
        return answer.delivery

    async def list(
        self, metadata: Metadata = (), **arguments: str | int
    ) -> notifier_pb2.ListDeliveriesResponse:
        request = notifier_pb2.ListDeliveriesRequest(**arguments)  # type: ignore[arg-type]  # by name
        return await self.stub.ListDeliveries(request, metadata=metadata, timeout=5)

    async def refusal(
        self, metadata: Metadata = (), **arguments: str | int
    ) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.list(metadata, **arguments)
        return caught.value.code(), reason_of(caught.value)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    clock = FakeClock()
    store = InMemoryDeliveryStore(clock)
    issuer = TokenIssuer()
    woken: list[str] = []
    webhooks = InMemoryWebhookStore()
    verbs = rpc.Verbs(
        list_deliveries=ListDeliveries(store),
        redeliver_notice=RedeliverNotice(store, wake_senders=lambda: woken.append("sender")),
        create_webhook=CreateWebhook(webhooks, Terms(at_most=2), clock),
        get_webhook=GetWebhook(webhooks),
        list_webhooks=ListWebhooks(webhooks),
        delete_webhook=DeleteWebhook(webhooks, store),
        enable_webhook=EnableWebhook(webhooks),
        rotate_secret=RotateSecret(webhooks, clock),
    )
    servicer = rpc.NotifierServicer(issuer.verifier(), verbs)
    binding = Binding(
        rpc.NAME,
        lambda server: notifier_pb2_grpc.add_NotifierServiceServicer_to_server(servicer, server),
    )
    async with serving([binding], rpc.TABLE) as channel:
        stub: notifier_pb2_grpc.NotifierServiceAsyncStub
        stub = notifier_pb2_grpc.NotifierServiceStub(channel)
        yield Service(store, clock, issuer, stub, woken)


async def test_an_owner_sees_where_each_delivery_stands(service: Service) -> None:
    for number in (1, 2, 3):
        await service.store.record(a_notice(number))
        service.clock.advance(1)
    delivered, abandoned = (
        await service.store.claim(Channel.MAIL, 60),
        await service.store.claim(Channel.MAIL, 60),
    )
    assert delivered
    assert abandoned
    await service.store.settle(delivered.delivered(service.clock.now()))
    await service.store.settle(abandoned.abandoned(service.clock.now(), "550 no such user"))

    answer = await service.list(service.issuer.metadata(OWNER))

    pending, given_up, done = answer.deliveries
    assert answer.next_page_token == ""
    assert [each.conversion_id for each in answer.deliveries] == [
        a_notice(number).conversion_id for number in (3, 2, 1)
    ]
    assert {each.channel for each in answer.deliveries} == {notifier_pb2.Delivery.MAIL}
    assert pending.state == notifier_pb2.Delivery.PENDING
    assert (given_up.state, given_up.last_error, given_up.attempts) == (
        notifier_pb2.Delivery.ABANDONED,
        "550 no such user",
        1,
    )
    assert done.state == notifier_pb2.Delivery.DELIVERED
    assert done.deliver_time.ToDatetime() > done.create_time.ToDatetime()
    assert not given_up.HasField("deliver_time")


async def test_nobody_sees_the_deliveries_of_others(service: Service) -> None:
    await service.store.record(a_notice(1))

    everything = await service.list(service.issuer.metadata(STRANGER))
    by_name = await service.list(
        service.issuer.metadata(STRANGER), conversion_id=a_notice(1).conversion_id
    )

    assert not everything.deliveries
    assert not by_name.deliveries


async def test_pages_follow_one_another_by_their_tokens(service: Service) -> None:
    for number in range(3):
        await service.store.record(a_notice(number))
    mine = service.issuer.metadata(OWNER)

    first = await service.list(mine, page_size=2)
    second = await service.list(mine, page_size=2, page_token=first.next_page_token)

    seen = [each.conversion_id for each in (*first.deliveries, *second.deliveries)]
    assert len(seen) == len(set(seen)) == 3
    assert second.next_page_token == ""


async def test_a_call_without_a_token_is_unauthenticated(service: Service) -> None:
    assert await service.refusal() == (grpc.StatusCode.UNAUTHENTICATED, "MISSING_TOKEN")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1_000_000_000}, "EXPIRED_TOKEN"),
        ({"aud": "somebody-else"}, "INVALID_TOKEN"),
        ({"iss": "https://evil.example"}, "INVALID_TOKEN"),
    ],
)
async def test_a_token_that_is_no_good_is_unauthenticated(
    service: Service, claims: dict[str, Any], reason: str
) -> None:
    metadata = service.issuer.metadata(OWNER, **claims)

    assert await service.refusal(metadata) == (grpc.StatusCode.UNAUTHENTICATED, reason)


async def test_a_token_of_another_issuer_is_unauthenticated(service: Service) -> None:
    metadata = TokenIssuer().metadata(OWNER)

    assert await service.refusal(metadata) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN")


async def test_arguments_that_make_no_sense_are_refused_by_name(service: Service) -> None:
    mine = service.issuer.metadata(OWNER)

    size = await service.refusal(mine, page_size=-1)
    token = await service.refusal(mine, page_token="nonsense")

    assert size == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_SIZE")
    assert token == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize("channel", [0, notifier_pb2.Delivery.MAIL])
async def test_an_owner_has_a_notice_sent_again(service: Service, channel: int) -> None:
    await service.store.record(a_notice())
    delivery = await service.store.claim(Channel.MAIL, 60)
    assert delivery
    await service.store.settle(delivery.abandoned(service.clock.now(), "550 no such user"))

    shown = await service.redeliver(
        a_notice().conversion_id, service.issuer.metadata(OWNER), channel
    )

    assert shown.state == notifier_pb2.Delivery.PENDING
    assert shown.conversion_id == a_notice().conversion_id
    assert (shown.attempts, shown.last_error) == (1, "")
    assert not shown.HasField("deliver_time")
    assert service.woken == ["sender"]
    assert await service.store.claim(Channel.MAIL, 60) is not None


async def test_a_delivered_notice_that_is_sent_again_shows_no_time_of_delivery(
    service: Service,
) -> None:
    await service.store.record(a_notice())
    delivery = await service.store.claim(Channel.MAIL, 60)
    assert delivery
    await service.store.settle(delivery.delivered(service.clock.now()))
    mine = service.issuer.metadata(OWNER)

    await service.redeliver(a_notice().conversion_id, mine)

    (shown,) = (await service.list(mine)).deliveries
    assert shown.state == notifier_pb2.Delivery.PENDING
    assert not shown.HasField("deliver_time")


@pytest.mark.parametrize(
    ("caller", "conversion_id", "channel", "code", "reason"),
    [
        (OWNER, "nothing", 0, grpc.StatusCode.NOT_FOUND, "UNKNOWN_DELIVERY"),
        (OWNER, "", 0, grpc.StatusCode.NOT_FOUND, "UNKNOWN_DELIVERY"),
        (STRANGER, a_notice().conversion_id, 0, grpc.StatusCode.NOT_FOUND, "UNKNOWN_DELIVERY"),
        (OWNER, a_notice().conversion_id, 7, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_CHANNEL"),
        ("", a_notice().conversion_id, 0, grpc.StatusCode.UNAUTHENTICATED, "MISSING_TOKEN"),
    ],
)
async def test_a_redelivery_that_cannot_be_is_refused_and_sends_nothing(
    service: Service,
    caller: str,
    conversion_id: str,
    channel: int,
    code: grpc.StatusCode,
    reason: str,
) -> None:
    delivery = await service.store.record(a_notice())
    metadata = service.issuer.metadata(caller) if caller else ()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.redeliver(conversion_id, metadata, channel)

    assert (caught.value.code(), reason_of(caught.value)) == (code, reason)
    assert await service.store.record(a_notice()) == delivery
    assert service.woken == []


async def test_a_store_that_is_away_is_unavailable(service: Service) -> None:
    service.store.away = True

    refusal = await service.refusal(service.issuer.metadata(OWNER))

    assert refusal == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")


URL = "https://hooks.example/in"
REQUEST_ID = "0e3c3a5c-0b6f-4b2d-9b8e-8c6d2a7f1e00"


async def created(
    service: Service, url: str = URL, request_id: str = "", owner: str = OWNER
) -> notifier_pb2.Webhook:
    request = notifier_pb2.CreateWebhookRequest(url=url, request_id=request_id)
    answer = await service.stub.CreateWebhook(
        request, metadata=service.issuer.metadata(owner), timeout=5
    )
    return answer.webhook


async def test_an_owner_makes_a_webhook_and_sees_its_secret_then_and_never_again(
    service: Service,
) -> None:
    mine = service.issuer.metadata(OWNER)

    made = await created(service, request_id=REQUEST_ID)
    again = await created(service, request_id=REQUEST_ID)
    shown = await service.stub.GetWebhook(
        notifier_pb2.GetWebhookRequest(webhook_id=made.id), metadata=mine, timeout=5
    )
    listed = await service.stub.ListWebhooks(
        notifier_pb2.ListWebhooksRequest(), metadata=mine, timeout=5
    )

    assert again == made
    assert (made.url, made.state) == (URL, notifier_pb2.Webhook.ENABLED)
    assert made.create_time.ToDatetime(tzinfo=UTC) == service.clock.now()
    assert made.secret.startswith("whsec_")
    made.secret = ""
    assert shown.webhook == made
    assert list(listed.webhooks) == [made]


async def test_the_edge_is_told_that_a_webhook_was_made_and_that_secrets_are_not_kept(
    service: Service,
) -> None:
    mine = service.issuer.metadata(OWNER)
    call = service.stub.CreateWebhook(
        notifier_pb2.CreateWebhookRequest(url=URL), metadata=mine, timeout=5
    )
    made = (await call).webhook
    rotating = service.stub.RotateSecret(
        notifier_pb2.RotateSecretRequest(webhook_id=made.id), metadata=mine, timeout=5
    )
    rotated = (await rotating).webhook

    created_metadata = dict(await call.initial_metadata())
    rotated_metadata = dict(await rotating.initial_metadata())

    assert created_metadata["x-http-code"] == "201"
    assert created_metadata["location"] == f"/v1/webhooks/{made.id}"
    assert created_metadata["cache-control"] == rotated_metadata["cache-control"] == "no-store"
    assert rotated.secret.startswith("whsec_")
    assert rotated.secret != made.secret


async def test_a_webhook_is_enabled_and_deleted_by_its_owner(service: Service) -> None:
    mine = service.issuer.metadata(OWNER)
    made = await created(service)

    enabled = await service.stub.EnableWebhook(
        notifier_pb2.EnableWebhookRequest(webhook_id=made.id), metadata=mine, timeout=5
    )
    await service.stub.DeleteWebhook(
        notifier_pb2.DeleteWebhookRequest(webhook_id=made.id), metadata=mine, timeout=5
    )
    listed = await service.stub.ListWebhooks(
        notifier_pb2.ListWebhooksRequest(), metadata=mine, timeout=5
    )

    assert (enabled.webhook.state, enabled.webhook.secret) == (notifier_pb2.Webhook.ENABLED, "")
    assert not listed.webhooks


@pytest.mark.parametrize(
    ("url", "request_id", "code", "reason"),
    [
        ("http://hooks.example/", "", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_URL"),
        (URL, "mine", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST_ID"),
        (
            "https://elsewhere.example/",
            REQUEST_ID,
            grpc.StatusCode.ALREADY_EXISTS,
            "REQUEST_ID_REUSED",
        ),
        (URL, "", grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_WEBHOOKS"),
        (
            URL,
            REQUEST_ID.replace("e", "f"),
            grpc.StatusCode.FAILED_PRECONDITION,
            "WEBHOOK_DELETED",
        ),
    ],
)
async def test_a_webhook_that_cannot_be_is_refused_by_name(
    service: Service, url: str, request_id: str, code: grpc.StatusCode, reason: str
) -> None:
    deleted = await created(service, request_id=REQUEST_ID.replace("e", "f"))
    await service.stub.DeleteWebhook(
        notifier_pb2.DeleteWebhookRequest(webhook_id=deleted.id),
        metadata=service.issuer.metadata(OWNER),
        timeout=5,
    )
    await created(service, request_id=REQUEST_ID)
    await created(service)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await created(service, url, request_id)

    assert (caught.value.code(), reason_of(caught.value)) == (code, reason)


@pytest.mark.parametrize("verb", ["GetWebhook", "DeleteWebhook", "EnableWebhook", "RotateSecret"])
async def test_the_webhooks_of_others_are_unknown(service: Service, verb: str) -> None:
    theirs = await created(service, owner=STRANGER)
    request = getattr(notifier_pb2, f"{verb}Request")(webhook_id=theirs.id)
    call = getattr(service.stub, verb)

    with pytest.raises(grpc.aio.AioRpcError) as strangers:
        await call(request, metadata=service.issuer.metadata(OWNER), timeout=5)
    with pytest.raises(grpc.aio.AioRpcError) as nobodys:
        await call(request, timeout=5)

    assert strangers.value.code() is grpc.StatusCode.NOT_FOUND
    assert reason_of(strangers.value) == "UNKNOWN_WEBHOOK"
    assert nobodys.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("channel", [0, notifier_pb2.Delivery.WEBHOOK])
async def test_an_owner_has_a_webhook_told_again(service: Service, channel: int) -> None:
    mail = await service.store.record(a_notice(), ("w1",))
    await service.store.branch(mail)
    delivery = await service.store.claim(Channel.WEBHOOK, 60)
    assert delivery
    await service.store.settle(delivery.abandoned(service.clock.now(), "it answered 500"))

    shown = await service.redeliver(
        a_notice().conversion_id, service.issuer.metadata(OWNER), channel, "w1"
    )

    assert (shown.channel, shown.webhook_id) == (notifier_pb2.Delivery.WEBHOOK, "w1")
    assert shown.state == notifier_pb2.Delivery.PENDING
    assert await service.store.claim(Channel.WEBHOOK, 60) is not None


@pytest.mark.parametrize(
    ("channel", "webhook_id"),
    [(notifier_pb2.Delivery.MAIL, "w1"), (notifier_pb2.Delivery.WEBHOOK, "")],
)
async def test_a_channel_that_does_not_go_with_the_webhook_is_refused(
    service: Service, channel: int, webhook_id: str
) -> None:
    await service.store.record(a_notice(), ("w1",))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.redeliver(
            a_notice().conversion_id, service.issuer.metadata(OWNER), channel, webhook_id
        )

    assert reason_of(caught.value) == "INVALID_CHANNEL"
