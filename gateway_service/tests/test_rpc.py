"""The gateway's services as their callers see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable

import grpc
import pytest
from gateway_fakes import AUDIO, InMemoryConversionStore
from gateway_stores import InMemoryAudioStore
from gateway_world import World
from google.api import httpbody_pb2
from google.protobuf.json_format import ParseDict

from gateway_service import rpc
from gateway_service.__main__ import bindings
from gateway_service.adapters.packaged_page import PackagedPage
from gateway_service.domain import ConversionId, Succeeded, Waveform
from gateway_service.use_cases.read import ListConversions, WatchConversion
from tonearm.gateway.v1 import (
    audio_pb2,
    audio_pb2_grpc,
    conversion_pb2,
    conversion_pb2_grpc,
    page_pb2,
    page_pb2_grpc,
    upload_pb2,
    upload_pb2_grpc,
)
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.status import blamed_fields, reason_of
from tonearm_chassis.testing.clock import START
from tonearm_chassis.testing.rpc import serving
from tonearm_chassis.testing.tokens import TokenIssuer

VIDEO = b"0123456789"
Metadata = tuple[tuple[str, str], ...]


class Gateway:
    """The services over fakes, and stubs to call them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over `channel`."""
        self.uploads = upload_pb2_grpc.UploadServiceStub(channel)
        self.conversions = conversion_pb2_grpc.ConversionServiceStub(channel)
        self.audio = audio_pb2_grpc.AudioServiceStub(channel)
        self.page = page_pb2_grpc.PageServiceStub(channel)

    async def upload(self, metadata: Metadata, **fields: object) -> upload_pb2.UploadVideoResponse:
        values = {"filename": "holiday.mp4", "size_bytes": len(VIDEO), **fields}
        first = ParseDict(values, upload_pb2.UploadVideoRequest())

        async def messages() -> AsyncIterator[upload_pb2.UploadVideoRequest]:
            yield first
            for byte in VIDEO:
                yield upload_pb2.UploadVideoRequest(video=httpbody_pb2.HttpBody(data=bytes([byte])))

        return await self.uploads.UploadVideo(messages(), metadata=metadata)


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture
def ada(issuer: TokenIssuer) -> Metadata:
    return issuer.metadata("ada")


@pytest.fixture
def eve(issuer: TokenIssuer) -> Metadata:
    return issuer.metadata("eve")


@pytest.fixture
def world() -> World:
    return World(clock=SystemClock())


@pytest.fixture
def store(world: World) -> InMemoryConversionStore:
    return world.conversions


@pytest.fixture
def audio(world: World) -> InMemoryAudioStore:
    return world.audio


@pytest.fixture
async def gateway(issuer: TokenIssuer, world: World) -> AsyncIterator[Gateway]:
    tokens = issuer.verifier()
    reading = rpc.Reading(
        world.get, ListConversions(world.conversions), WatchConversion(world.get, world.clock)
    )
    changing = rpc.Changing(world.cancel, world.retry, world.delete)
    services = bindings(
        rpc.UploadServicer(tokens, world.upload),
        rpc.ConversionServicer(tokens, reading, changing),
        rpc.AudioServicer(tokens, world.download, world.waveform),
        rpc.PageServicer(PackagedPage()),
    )
    async with serving(services, rpc.TABLE) as channel:
        yield Gateway(channel)


async def refusal(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), reason_of(refused.value)


async def succeed(store: InMemoryConversionStore, conversion_id: str) -> None:
    own = store.rows[ConversionId(conversion_id)]
    ended = own.after(Succeeded(1, AUDIO, START), START)
    assert ended is not None
    await store.replace(own, ended)


async def test_an_upload_answers_with_its_conversion_and_asks_for_http_201(
    gateway: Gateway, ada: Metadata
) -> None:
    async def messages() -> AsyncIterator[upload_pb2.UploadVideoRequest]:
        yield upload_pb2.UploadVideoRequest(
            filename="a.mp4", size_bytes=1, video=httpbody_pb2.HttpBody(data=b"x")
        )

    call = gateway.uploads.UploadVideo(messages(), metadata=ada)
    answer = await call

    headers = dict(await call.initial_metadata())
    assert answer.conversion.state == conversion_pb2.Conversion.QUEUED
    assert headers["x-http-code"] == "201"
    assert headers["location"] == f"/v1/conversions/{answer.conversion.id}"


async def test_rest_declares_its_length_in_metadata(gateway: Gateway, ada: Metadata) -> None:
    declared = (*ada, ("x-request-content-length", str(len(VIDEO))))

    answer = await gateway.upload(declared, size_bytes=0)

    assert answer.conversion.video.size_bytes == len(VIDEO)


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"filename": ""}, grpc.StatusCode.INVALID_ARGUMENT, "MISSING_FILENAME"),
        ({"size_bytes": 0}, grpc.StatusCode.INVALID_ARGUMENT, "LENGTH_REQUIRED"),
        ({"size_bytes": 11}, grpc.StatusCode.INVALID_ARGUMENT, "INCOMPLETE_VIDEO"),
        ({"size_bytes": 9}, grpc.StatusCode.INVALID_ARGUMENT, "LENGTH_MISMATCH"),
        ({"sha256": "00" * 32}, grpc.StatusCode.INVALID_ARGUMENT, "CHECKSUM_MISMATCH"),
        ({"sha256": "no"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_SHA256"),
        ({"bitrate_kbps": 1}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_BITRATE"),
        ({"request_id": "1"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST_ID"),
        ({"size_bytes": 1001}, grpc.StatusCode.RESOURCE_EXHAUSTED, "VIDEO_TOO_LARGE"),
    ],
)
async def test_a_bad_upload_is_refused_with_its_reason(
    gateway: Gateway,
    ada: Metadata,
    fields: dict[str, object],
    code: grpc.StatusCode,
    reason: str,
) -> None:
    assert await refusal(gateway.upload(ada, **fields)) == (code, reason)


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"options": {"vbr_quality": 10}}, "INVALID_OPTION", "vbr_quality"),
        ({"options": {"format": 99}}, "INVALID_OPTION", "format"),
        ({"options": {"preset": 1}, "bitrate_kbps": 192}, "CONTRADICTORY_OPTIONS", "bitrate_kbps"),
        ({"options": {"preset": 1}, "preset": 2}, "CONTRADICTORY_OPTIONS", "preset"),
        ({"options": {"trim": {"start": "-0.000000001s"}}}, "INVALID_OPTION", "trim.start"),
        ({"options": {"trim": {"end": "315576000000s"}}}, "INVALID_OPTION", "trim.end"),
    ],
)
async def test_a_bad_option_is_refused_with_its_field(
    gateway: Gateway, ada: Metadata, fields: dict[str, object], reason: str, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.upload(ada, **fields)

    assert reason_of(caught.value) == reason
    assert blamed_fields(caught.value) == [field]


async def test_options_are_given_back_as_they_are_meant(gateway: Gateway, ada: Metadata) -> None:
    answer = await gateway.upload(
        ada, preset=2, options={"trim": {"start": "1s"}, "track": {"language": "deu"}}
    )

    options = answer.conversion.options
    assert options.preset == conversion_pb2.AudioOptions.BEST
    assert options.format == conversion_pb2.AudioOptions.MP3
    assert options.trim.start.seconds == 1
    assert not options.trim.HasField("end")
    assert options.track.language == "deu"
    assert not options.HasField("loudness")


async def test_a_stream_without_a_single_message_is_refused(
    gateway: Gateway, ada: Metadata
) -> None:
    async def nothing() -> AsyncIterator[upload_pb2.UploadVideoRequest]:
        messages: list[upload_pb2.UploadVideoRequest] = []
        for message in messages:
            yield message

    call = gateway.uploads.UploadVideo(nothing(), metadata=ada)

    assert (await refusal(call))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_no_call_but_the_page_works_without_a_token(gateway: Gateway) -> None:
    calls: list[Awaitable[object]] = [
        gateway.upload(()),
        gateway.conversions.GetConversion(conversion_pb2.GetConversionRequest()),
        gateway.conversions.ListConversions(conversion_pb2.ListConversionsRequest()),
        _first(gateway.conversions.WatchConversion(conversion_pb2.WatchConversionRequest())),
        _first(gateway.audio.DownloadAudio(audio_pb2.DownloadAudioRequest())),
        gateway.audio.GetWaveform(audio_pb2.GetWaveformRequest()),
        gateway.conversions.CancelConversion(conversion_pb2.CancelConversionRequest()),
        gateway.conversions.RetryConversion(conversion_pb2.RetryConversionRequest()),
        gateway.conversions.DeleteConversion(conversion_pb2.DeleteConversionRequest()),
    ]

    refusals = [await refusal(call) for call in calls]

    assert set(refusals) == {(grpc.StatusCode.UNAUTHENTICATED, "MISSING_TOKEN")}
    assert (await gateway.page.GetPage(page_pb2.GetPageRequest())).content.data


async def test_an_expired_and_a_strange_token_are_told_apart(
    gateway: Gateway, issuer: TokenIssuer
) -> None:
    request = conversion_pb2.ListConversionsRequest()
    stranger = TokenIssuer().metadata("ada")
    expired = issuer.metadata("ada", exp=1)

    assert await refusal(gateway.conversions.ListConversions(request, metadata=expired)) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "EXPIRED_TOKEN",
    )
    assert await refusal(gateway.conversions.ListConversions(request, metadata=stranger)) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "INVALID_TOKEN",
    )


async def test_somebody_elses_conversion_is_not_found_whatever_is_asked(
    gateway: Gateway, ada: Metadata, eve: Metadata, store: InMemoryConversionStore
) -> None:
    own = (await gateway.upload(ada)).conversion.id
    await succeed(store, own)
    calls: list[Awaitable[object]] = [
        gateway.conversions.GetConversion(
            conversion_pb2.GetConversionRequest(conversion_id=own), metadata=eve
        ),
        _first(
            gateway.conversions.WatchConversion(
                conversion_pb2.WatchConversionRequest(conversion_id=own), metadata=eve
            )
        ),
        _first(
            gateway.audio.DownloadAudio(
                audio_pb2.DownloadAudioRequest(conversion_id=own), metadata=eve
            )
        ),
        gateway.audio.GetWaveform(audio_pb2.GetWaveformRequest(conversion_id=own), metadata=eve),
    ]

    refusals = [await refusal(call) for call in calls]

    assert set(refusals) == {(grpc.StatusCode.NOT_FOUND, "UNKNOWN_CONVERSION")}
    listed = await gateway.conversions.ListConversions(
        conversion_pb2.ListConversionsRequest(), metadata=eve
    )
    assert not listed.conversions


async def test_a_download_says_how_long_it_is_and_what_it_is_called(
    gateway: Gateway, ada: Metadata, store: InMemoryConversionStore
) -> None:
    own = (await gateway.upload(ada, filename='é "x".mp4')).conversion.id
    await succeed(store, own)

    call = gateway.audio.DownloadAudio(
        audio_pb2.DownloadAudioRequest(conversion_id=own), metadata=ada
    )
    pieces = [piece async for piece in call]

    headers = dict(await call.initial_metadata())
    assert b"".join(piece.audio.data for piece in pieces) == b"hello sound"
    assert pieces[0].audio.content_type == "audio/mpeg"
    assert headers["x-content-length"] == "11"
    assert headers["content-disposition"] == (
        "attachment; filename=\"_ _x_.mp3\"; filename*=UTF-8''%C3%A9%20%22x%22.mp3"
    )


@pytest.mark.parametrize(
    ("made", "content_type", "name"),
    [
        ("AAC", "audio/mp4", "holiday.m4a"),
        ("OPUS", "audio/ogg", "holiday.opus"),
        ("FLAC", "audio/flac", "holiday.flac"),
        ("WAV", "audio/wav", "holiday.wav"),
    ],
)
async def test_a_download_is_of_the_kind_that_was_asked_for(
    gateway: Gateway,
    ada: Metadata,
    store: InMemoryConversionStore,
    made: str,
    *,
    content_type: str,
    name: str,
) -> None:
    own = (await gateway.upload(ada, format=made)).conversion.id
    await succeed(store, own)

    call = gateway.audio.DownloadAudio(
        audio_pb2.DownloadAudioRequest(conversion_id=own), metadata=ada
    )
    pieces = [piece async for piece in call]

    headers = dict(await call.initial_metadata())
    assert pieces[0].audio.content_type == content_type
    assert f'filename="{name}"' in headers["content-disposition"]


@pytest.mark.parametrize(
    ("wanted", "content_type", "start"),
    [
        ("", "application/json", b'{"version":2,'),
        ("json", "application/json", b'{"version":2,'),
        ("png", "image/png", b"\x89PNG"),
    ],
)
async def test_a_waveform_comes_as_what_was_asked_for(
    gateway: Gateway, ada: Metadata, world: World, wanted: str, content_type: str, start: bytes
) -> None:
    own = (await gateway.upload(ada)).conversion.id
    await succeed(world.conversions, own)
    world.audio.waveforms[AUDIO.id] = Waveform(44_100, 64, b"\x80\x7f", 0.0, -3.0, 0.0)

    answer = await gateway.audio.GetWaveform(
        audio_pb2.GetWaveformRequest(conversion_id=own, format=wanted), metadata=ada
    )

    assert answer.waveform.content_type == content_type
    assert answer.waveform.data.startswith(start)


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ("svg", (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_WAVEFORM_FORMAT")),
        ("json", (grpc.StatusCode.NOT_FOUND, "UNKNOWN_WAVEFORM")),
    ],
)
async def test_a_waveform_that_cannot_be_had_is_refused_with_its_reason(
    gateway: Gateway,
    ada: Metadata,
    store: InMemoryConversionStore,
    wanted: str,
    answer: tuple[grpc.StatusCode, str],
) -> None:
    own = (await gateway.upload(ada)).conversion.id
    await succeed(store, own)
    request = audio_pb2.GetWaveformRequest(conversion_id=own, format=wanted)

    assert await refusal(gateway.audio.GetWaveform(request, metadata=ada)) == answer


async def test_audio_that_cannot_be_read_now_promises_no_length(
    gateway: Gateway, store: InMemoryConversionStore, audio: InMemoryAudioStore, ada: Metadata
) -> None:
    own = (await gateway.upload(ada)).conversion.id
    await succeed(store, own)
    audio.away = True

    call = gateway.audio.DownloadAudio(
        audio_pb2.DownloadAudioRequest(conversion_id=own), metadata=ada
    )

    assert await refusal(_first(call)) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert "x-content-length" not in dict(await call.initial_metadata())


async def test_head_answers_without_the_bytes(
    gateway: Gateway, ada: Metadata, store: InMemoryConversionStore
) -> None:
    own = (await gateway.upload(ada)).conversion.id
    await succeed(store, own)

    call = gateway.audio.DownloadAudio(
        audio_pb2.DownloadAudioRequest(conversion_id=own),
        metadata=(*ada, ("x-envoy-original-method", "HEAD")),
    )

    assert [piece.audio.data async for piece in call] == [b""]


async def test_audio_that_is_not_ready_is_refused_before_the_first_byte(
    gateway: Gateway, ada: Metadata
) -> None:
    own = (await gateway.upload(ada)).conversion.id

    call = gateway.audio.DownloadAudio(
        audio_pb2.DownloadAudioRequest(conversion_id=own), metadata=ada
    )

    assert await refusal(_first(call)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "AUDIO_NOT_READY",
    )


async def test_a_watcher_hears_of_the_end(
    gateway: Gateway, ada: Metadata, store: InMemoryConversionStore
) -> None:
    own = (await gateway.upload(ada)).conversion.id
    call = gateway.conversions.WatchConversion(
        conversion_pb2.WatchConversionRequest(conversion_id=own), metadata=ada
    )
    first = await anext(aiter(call))
    await succeed(store, own)

    rest = await asyncio.wait_for(_all(call), 5)

    assert first.conversion.state == conversion_pb2.Conversion.QUEUED
    assert [each.conversion.state for each in rest] == [conversion_pb2.Conversion.SUCCEEDED]


async def test_pages_are_linked_by_tokens(gateway: Gateway, ada: Metadata) -> None:
    made = {(await gateway.upload(ada)).conversion.id for _ in range(3)}

    one = await gateway.conversions.ListConversions(
        conversion_pb2.ListConversionsRequest(page_size=2), metadata=ada
    )
    two = await gateway.conversions.ListConversions(
        conversion_pb2.ListConversionsRequest(page_size=2, page_token=one.next_page_token),
        metadata=ada,
    )

    assert {each.id for each in (*one.conversions, *two.conversions)} == made
    assert two.next_page_token == ""


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (conversion_pb2.ListConversionsRequest(page_size=-1), "INVALID_PAGE_SIZE"),
        (conversion_pb2.ListConversionsRequest(page_token="x"), "INVALID_PAGE_TOKEN"),
    ],
)
async def test_a_bad_page_is_refused(
    gateway: Gateway,
    ada: Metadata,
    request_: conversion_pb2.ListConversionsRequest,
    reason: str,
) -> None:
    call = gateway.conversions.ListConversions(request_, metadata=ada)

    assert await refusal(call) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


@pytest.mark.parametrize(
    ("asset", "content_type"),
    [("", "text/html; charset=utf-8"), ("page.js", "text/javascript; charset=utf-8")],
)
async def test_the_page_and_its_assets_have_their_types_and_a_policy(
    gateway: Gateway, asset: str, content_type: str
) -> None:
    call = gateway.page.GetPage(page_pb2.GetPageRequest(asset=asset))
    answer = await call

    headers = dict(await call.initial_metadata())
    assert answer.content.content_type == content_type
    assert "default-src 'none'" in str(headers["content-security-policy"])


@pytest.mark.parametrize("asset", ["nothing.js", "../rpc.py", "__init__.py", "/etc/passwd"])
async def test_there_is_nothing_else_to_fetch(gateway: Gateway, asset: str) -> None:
    call = gateway.page.GetPage(page_pb2.GetPageRequest(asset=asset))

    assert await refusal(call) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_ASSET")


async def _first(call: AsyncIterable[object]) -> object:
    return await anext(aiter(call))


async def _all(
    call: AsyncIterable[conversion_pb2.WatchConversionResponse],
) -> list[conversion_pb2.WatchConversionResponse]:
    return [message async for message in call]
