"""What callers see when a service is away, and how soon they see it back."""

from __future__ import annotations

import asyncio

import grpc
import httpx
import pytest

from tonearm.gateway.v1 import conversion_pb2, conversion_pb2_grpc
from tonearm.notifier.v1 import notifier_pb2, notifier_pb2_grpc

from .errors import refusal, rpc_refusal
from .fakes import Context, Journal, Reaction, refuse
from .stack import Edge


async def test_a_service_that_was_killed_is_a_503_and_the_others_go_on(
    fragile_edge: Edge,
) -> None:
    async with fragile_edge.client("127.0.0.1") as client:
        client.headers.update(fragile_edge.bearer())
        await fragile_edge.stop("notifier")

        away = await client.get("/v1/deliveries")
        other = await client.get("/v1/conversions")
        await fragile_edge.restart("notifier")
        back = await client.get("/v1/deliveries")

    assert refusal(away) == (503, "UPSTREAM_UNAVAILABLE", 14)
    assert away.headers["retry-after"] == "1"
    assert other.status_code == httpx.codes.OK
    assert back.status_code == httpx.codes.OK


async def test_over_grpc_a_killed_service_is_unavailable_with_the_same_reason(
    fragile_edge: Edge,
) -> None:
    await fragile_edge.stop("notifier")

    async with grpc.aio.insecure_channel(fragile_edge.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await notifier_pb2_grpc.NotifierServiceStub(channel).ListDeliveries(
                notifier_pb2.ListDeliveriesRequest(),
                metadata=list(fragile_edge.bearer().items()),
            )

    assert rpc_refusal(caught.value) == (grpc.StatusCode.UNAVAILABLE, "UPSTREAM_UNAVAILABLE")


async def test_a_read_outlives_a_short_restart(fragile_edge: Edge) -> None:
    async with fragile_edge.client("127.0.0.1") as client:
        await fragile_edge.stop("gateway")
        reading = asyncio.create_task(client.get("/v1/conversions", headers=fragile_edge.bearer()))
        await asyncio.sleep(0.2)
        await fragile_edge.restart("gateway")

        answer = await reading

    assert answer.status_code == httpx.codes.OK


async def cut_off(context: Context) -> None:
    """End a call as gRPC itself does when the server stops before the call has begun."""
    await context.abort(grpc.StatusCode.CANCELLED, "CANCELLED")


@pytest.mark.parametrize(
    "reaction",
    [refuse(grpc.StatusCode.UNAVAILABLE, "STORE_AWAY"), cut_off],
    ids=["unavailable", "cut off"],
)
async def test_a_read_is_tried_again_when_a_service_cannot_answer(
    member: httpx.AsyncClient, journal: Journal, reaction: Reaction
) -> None:
    async def once(context: Context) -> None:
        del journal.reactions["GetConversion"]
        await reaction(context)

    journal.reactions["GetConversion"] = once

    answer = await member.get("/v1/conversions/c1")

    assert answer.status_code == httpx.codes.OK
    assert len(journal.calls) == 2


async def test_a_write_that_was_cut_off_may_be_tried_again(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    journal.reactions["CancelConversion"] = cut_off

    answer = await member.post("/v1/conversions/c1:cancel", json={})

    assert refusal(answer) == (503, "UNAVAILABLE", 14)
    assert answer.json()["message"] == "the service is stopping; try again"
    assert len(journal.calls) == 1


async def test_over_grpc_a_call_that_was_cut_off_is_unavailable(
    edge: Edge, channel: grpc.aio.Channel, journal: Journal
) -> None:
    journal.reactions["CancelConversion"] = cut_off

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await conversion_pb2_grpc.ConversionServiceStub(channel).CancelConversion(
            conversion_pb2.CancelConversionRequest(conversion_id="c1"),
            metadata=list(edge.bearer().items()),
        )

    assert rpc_refusal(caught.value) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")


@pytest.mark.parametrize(
    ("rpc", "method", "path"),
    [
        ("CreateAccount", "POST", "/v1/accounts"),
        ("UploadVideo", "POST", "/v1/conversions?filename=a.mp4"),
        ("CancelConversion", "POST", "/v1/conversions/c1:cancel"),
        ("RetryConversion", "POST", "/v1/conversions/c1:retry"),
        ("DeleteConversion", "DELETE", "/v1/conversions/c1"),
        ("RedeliverNotice", "POST", "/v1/deliveries/c1:redeliver"),
        ("CreateWebhook", "POST", "/v1/webhooks"),
        ("DeleteWebhook", "DELETE", "/v1/webhooks/w1"),
        ("EnableWebhook", "POST", "/v1/webhooks/w1:enable"),
        ("RotateSecret", "POST", "/v1/webhooks/w1:rotateSecret"),
    ],
)
async def test_a_write_is_never_repeated_by_the_edge(
    member: httpx.AsyncClient, journal: Journal, rpc: str, method: str, path: str
) -> None:
    journal.reactions[rpc] = refuse(grpc.StatusCode.UNAVAILABLE, "STORE_AWAY")

    answer = await member.request(method, path, content=b"" if method == "DELETE" else b"{}")

    assert refusal(answer) == (503, "STORE_AWAY", 14)
    assert len(journal.calls) == 1
