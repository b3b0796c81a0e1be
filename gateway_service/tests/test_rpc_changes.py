"""Cancelling, retrying and deleting as callers see it, and what has expired."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace

import grpc
import pytest
from gateway_fakes import ADA, AUDIO
from gateway_world import World

from gateway_service import rpc
from gateway_service.__main__ import bindings
from gateway_service.adapters.packaged_page import PackagedPage
from gateway_service.domain import Conversion, Failed, Failure, Succeeded
from gateway_service.use_cases.read import ListConversions, WatchConversion
from tonearm.gateway.v1 import audio_pb2, audio_pb2_grpc, conversion_pb2, conversion_pb2_grpc
from tonearm_chassis.status import reason_of
from tonearm_chassis.testing.clock import START
from tonearm_chassis.testing.rpc import serving
from tonearm_chassis.testing.tokens import TokenIssuer

REQUEST_ID = "3f0f1f6e-5f0a-4c5e-9d5c-1b2f6a7c8d9e"
FAILED = Failed(1, Failure("NO_AUDIO", "The video has no sound."), START)
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


class Gateway:
    """Stubs, and a token of Ada's."""

    def __init__(self, channel: grpc.aio.Channel, issuer: TokenIssuer) -> None:
        """Call over `channel`."""
        self.stub = conversion_pb2_grpc.ConversionServiceStub(channel)
        self.audio = audio_pb2_grpc.AudioServiceStub(channel)
        self.ada = issuer.metadata("ada")

    def cancel(
        self, own: Conversion
    ) -> grpc.aio.UnaryUnaryCall[
        conversion_pb2.CancelConversionRequest, conversion_pb2.CancelConversionResponse
    ]:
        request = conversion_pb2.CancelConversionRequest(conversion_id=own.id)
        return self.stub.CancelConversion(request, metadata=self.ada)

    def retry(
        self, own: Conversion, request_id: str = ""
    ) -> grpc.aio.UnaryUnaryCall[
        conversion_pb2.RetryConversionRequest, conversion_pb2.RetryConversionResponse
    ]:
        request = conversion_pb2.RetryConversionRequest(conversion_id=own.id, request_id=request_id)
        return self.stub.RetryConversion(request, metadata=self.ada)

    def delete(
        self, own: Conversion
    ) -> grpc.aio.UnaryUnaryCall[
        conversion_pb2.DeleteConversionRequest, conversion_pb2.DeleteConversionResponse
    ]:
        request = conversion_pb2.DeleteConversionRequest(conversion_id=own.id)
        return self.stub.DeleteConversion(request, metadata=self.ada)

    def download(
        self, own: Conversion
    ) -> grpc.aio.UnaryStreamCall[audio_pb2.DownloadAudioRequest, audio_pb2.DownloadAudioResponse]:
        request = audio_pb2.DownloadAudioRequest(conversion_id=own.id)
        return self.audio.DownloadAudio(request, metadata=self.ada)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    issuer = TokenIssuer()
    tokens = issuer.verifier()
    reading = rpc.Reading(
        world.get, ListConversions(world.conversions), WatchConversion(world.get, world.clock)
    )
    services = bindings(
        rpc.UploadServicer(tokens, world.upload),
        rpc.ConversionServicer(
            tokens, reading, rpc.Changing(world.cancel, world.retry, world.delete)
        ),
        rpc.AudioServicer(tokens, world.download, world.waveform),
        rpc.PageServicer(PackagedPage()),
    )
    async with serving(services, rpc.TABLE) as channel:
        yield Gateway(channel, issuer)


async def refusal(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), reason_of(refused.value)


async def test_a_cancelled_conversion_is_answered_as_such(world: World, gateway: Gateway) -> None:
    own = await world.uploaded()

    answer = await gateway.cancel(own)

    assert answer.conversion.state == conversion_pb2.Conversion.CANCELLED
    assert answer.conversion.HasField("video_expire_time")


async def test_what_is_over_is_not_cancelled(world: World, gateway: Gateway) -> None:
    own = await world.told(await world.uploaded(), FAILED)

    assert await refusal(gateway.cancel(own)) == (PRECONDITION, "CONVERSION_OVER")


async def test_a_retry_asks_for_http_201_and_says_where(world: World, gateway: Gateway) -> None:
    own = await world.told(await world.uploaded(), FAILED)

    call = gateway.retry(own)
    answer = await call

    headers = dict(await call.initial_metadata())
    assert answer.conversion.retry_of == own.id
    assert headers["x-http-code"] == "201"
    assert headers["location"] == f"/v1/conversions/{answer.conversion.id}"


async def test_a_retry_is_told_to_the_address_that_the_token_has_now(
    world: World, gateway: Gateway
) -> None:
    own = await world.told(await world.uploaded(), FAILED)
    moved = replace(own, owner=replace(ADA, email="before@example.org"))
    world.conversions.rows[own.id] = moved

    answer = await gateway.retry(own)

    rows = {each.id: each for each in world.conversions.rows.values()}
    (new,) = [each for each in rows.values() if each.id == answer.conversion.id]
    assert new.owner == ADA


async def test_a_bad_retry_is_refused_with_its_reason(world: World, gateway: Gateway) -> None:
    running = await world.uploaded(REQUEST_ID)
    failed = await world.told(await world.uploaded(), FAILED)

    refusals = [
        await refusal(gateway.retry(running)),
        await refusal(gateway.retry(failed, REQUEST_ID)),
        await refusal(gateway.retry(failed, "1")),
    ]
    await world.swept(days=2)
    refusals.append(await refusal(gateway.retry(failed)))

    assert refusals == [
        (PRECONDITION, "CONVERSION_NOT_RETRYABLE"),
        (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST_ID"),
        (PRECONDITION, "VIDEO_EXPIRED"),
    ]


async def test_a_deleted_conversion_is_unknown_to_every_other_call(
    world: World, gateway: Gateway
) -> None:
    own = await world.uploaded(REQUEST_ID)

    await gateway.delete(own)
    await gateway.delete(own)

    unknown = (grpc.StatusCode.NOT_FOUND, "UNKNOWN_CONVERSION")
    assert await refusal(gateway.cancel(own)) == unknown
    assert await refusal(gateway.retry(own)) == unknown
    assert await refusal(gateway.download(own).read()) == unknown


async def test_the_request_id_of_a_deleted_conversion_is_refused(
    world: World, gateway: Gateway
) -> None:
    own = await world.told(await world.uploaded(), FAILED)
    made = world.conversions.rows
    answer = await gateway.retry(own, REQUEST_ID)
    (new,) = [each for each in made.values() if each.id == answer.conversion.id]
    await gateway.delete(new)

    assert await refusal(gateway.retry(own, REQUEST_ID)) == (PRECONDITION, "CONVERSION_DELETED")


async def test_expired_audio_is_gone_for_rest(world: World, gateway: Gateway) -> None:
    own = await world.told(await world.uploaded(), Succeeded(1, AUDIO, START))
    world.kept.clock.advance(31 * 86400)

    call = gateway.download(own)

    assert await refusal(call.read()) == (PRECONDITION, "AUDIO_EXPIRED")
    assert dict(await call.trailing_metadata())["x-http-code"] == "410"


async def test_a_watcher_of_a_conversion_that_is_deleted_is_told(
    world: World, gateway: Gateway
) -> None:
    own = await world.uploaded()
    request = conversion_pb2.WatchConversionRequest(conversion_id=own.id)
    call = gateway.stub.WatchConversion(request, metadata=gateway.ada)
    await call.read()

    await gateway.delete(own)

    assert (await refusal(call.read()))[1] == "UNKNOWN_CONVERSION"
