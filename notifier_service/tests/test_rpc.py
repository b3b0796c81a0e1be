"""The NotifierService as a caller sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
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
        self, conversion_id: str, metadata: Metadata = (), channel: int = 0
    ) -> notifier_pb2.Delivery:
        request = notifier_pb2.RedeliverNoticeRequest(conversion_id=conversion_id)
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
