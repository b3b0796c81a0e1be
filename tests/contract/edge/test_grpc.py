"""gRPC passes through the same port."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tonearm.auth.v1 import auth_pb2, auth_pb2_grpc
from tonearm.converter.v1 import converter_pb2, converter_pb2_grpc
from tonearm.gateway.v1 import (
    audio_pb2,
    audio_pb2_grpc,
    conversion_pb2,
    conversion_pb2_grpc,
    upload_pb2,
    upload_pb2_grpc,
)
from tonearm.notifier.v1 import notifier_pb2, notifier_pb2_grpc

from .errors import rpc_refusal
from .fakes import AUDIO, Journal, refuse
from .stack import Edge


@pytest.fixture
def bearer(edge: Edge) -> list[tuple[str, str]]:
    """Return the metadata of somebody who is logged in."""
    return list(edge.bearer().items())


async def test_each_service_is_reached(
    channel: grpc.aio.Channel, journal: Journal, bearer: list[tuple[str, str]]
) -> None:
    await auth_pb2_grpc.AuthServiceStub(channel).GetJwks(auth_pb2.GetJwksRequest())
    await conversion_pb2_grpc.ConversionServiceStub(channel).GetConversion(
        conversion_pb2.GetConversionRequest(conversion_id="c7"), metadata=bearer
    )
    await notifier_pb2_grpc.NotifierServiceStub(channel).ListDeliveries(
        notifier_pb2.ListDeliveriesRequest(), metadata=bearer
    )

    assert [call.rpc for call in journal.calls] == ["GetJwks", "GetConversion", "ListDeliveries"]


async def test_a_video_is_streamed_in(
    channel: grpc.aio.Channel, journal: Journal, bearer: list[tuple[str, str]]
) -> None:
    first = upload_pb2.UploadVideoRequest(filename="a.mp4", size_bytes=10)
    first.video.data = b"video"
    second = upload_pb2.UploadVideoRequest()
    second.video.data = b"video"

    answer = await upload_pb2_grpc.UploadServiceStub(channel).UploadVideo(
        iter([first, second]), metadata=bearer
    )

    assert answer.conversion.id == "c1"
    assert journal.uploads[0].piece_bytes == [5, 5]
    assert journal.uploads[0].first.size_bytes == 10


async def test_audio_is_streamed_out(
    channel: grpc.aio.Channel, bearer: list[tuple[str, str]]
) -> None:
    download = audio_pb2_grpc.AudioServiceStub(channel).DownloadAudio(
        audio_pb2.DownloadAudioRequest(conversion_id="c1"), metadata=bearer
    )

    assert b"".join([piece.audio.data async for piece in download]) == AUDIO


async def test_a_call_without_a_token_is_refused_with_the_reason(
    channel: grpc.aio.Channel, journal: Journal
) -> None:
    stub = conversion_pb2_grpc.ConversionServiceStub(channel)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListConversions(conversion_pb2.ListConversionsRequest())

    assert rpc_refusal(caught.value) == (grpc.StatusCode.UNAUTHENTICATED, "MISSING_TOKEN")
    assert journal.calls == []


@pytest.mark.parametrize(
    ("changes", "lives_seconds", "reason"),
    [({}, -120, "EXPIRED_TOKEN"), ({"aud": "somebody else"}, 600, "INVALID_TOKEN")],
)
async def test_a_call_with_a_bad_token_is_refused_with_the_reason(
    edge: Edge,
    channel: grpc.aio.Channel,
    changes: dict[str, str],
    lives_seconds: int,
    reason: str,
) -> None:
    token = edge.signer.token(lives_seconds=lives_seconds, changes=changes)
    stub = conversion_pb2_grpc.ConversionServiceStub(channel)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListConversions(
            conversion_pb2.ListConversionsRequest(),
            metadata=[("authorization", f"Bearer {token}")],
        )

    assert rpc_refusal(caught.value) == (grpc.StatusCode.UNAUTHENTICATED, reason)


async def test_a_caller_cannot_speak_in_envoys_name(
    channel: grpc.aio.Channel, journal: Journal, bearer: list[tuple[str, str]]
) -> None:
    spoofed = {
        "x-envoy-original-method": "HEAD",
        "x-envoy-original-path": "/elsewhere",
        "x-request-content-length": "5",
        "x-request-id": "chosen",
    }

    await notifier_pb2_grpc.NotifierServiceStub(channel).ListDeliveries(
        notifier_pb2.ListDeliveriesRequest(), metadata=[*bearer, *spoofed.items()]
    )

    assert not spoofed.items() & journal.only("ListDeliveries").metadata.items()


async def test_a_services_own_refusal_arrives_whole(
    channel: grpc.aio.Channel, journal: Journal, bearer: list[tuple[str, str]]
) -> None:
    journal.reactions["GetConversion"] = refuse(
        grpc.StatusCode.NOT_FOUND, "UNKNOWN_CONVERSION", ("x-http-code", "410")
    )
    stub = conversion_pb2_grpc.ConversionServiceStub(channel)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetConversion(conversion_pb2.GetConversionRequest(), metadata=bearer)

    assert rpc_refusal(caught.value) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_CONVERSION")


async def test_the_converter_cannot_be_reached_from_outside(
    channel: grpc.aio.Channel, journal: Journal, bearer: list[tuple[str, str]]
) -> None:
    stub = converter_pb2_grpc.ConverterServiceStub(channel)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetEngine(converter_pb2.GetEngineRequest(), metadata=bearer)

    assert rpc_refusal(caught.value) == (grpc.StatusCode.UNIMPLEMENTED, "UNKNOWN_ROUTE")
    assert not journal.reached("GetEngine")


async def test_anybody_may_ask_for_the_health(channel: grpc.aio.Channel) -> None:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )

    answer = await check(health_pb2.HealthCheckRequest())

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_anybody_may_ask_what_there_is(channel: grpc.aio.Channel, version: str) -> None:
    # The two versions differ in nothing but their name.
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(iter([question]))

    if version == "v1":
        # grpcio reflects only v1alpha; what counts is that the question reached a server.
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [answer async for answer in call]
        assert caught.value.details() == "Method not found!"
        return
    answers = [answer async for answer in call]
    names = [service.name for service in answers[0].list_services_response.service]
    assert names == ["tonearm.gateway.v1.PageService"]
