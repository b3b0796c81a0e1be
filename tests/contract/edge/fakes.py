# ruff: noqa: N802 - gRPC names the methods of a servicer in CamelCase
"""Fake services behind the edge: they note what reached them and answer as told."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from google.api import httpbody_pb2
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from tonearm.auth.v1 import auth_pb2, auth_pb2_grpc
from tonearm.converter.v1 import converter_pb2, converter_pb2_grpc
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
from tonearm.notifier.v1 import notifier_pb2, notifier_pb2_grpc

if TYPE_CHECKING:
    from google.protobuf.message import Message


Context = grpc.aio.ServicerContext[Any, Any]
Reaction = Callable[[Context], Awaitable[None]]
KEY_FETCHER = "Go-browser"

AUDIO_PIECE_BYTES = 256 * 1024
AUDIO_PIECES = 5
AUDIO = bytes(range(256)) * (AUDIO_PIECES * AUDIO_PIECE_BYTES // 256)
PAGE = b"<!doctype html><title>Tonearm</title>"


@dataclass(frozen=True, slots=True)
class Served:
    """A running server and its port."""

    server: grpc.aio.Server
    port: int


@dataclass(frozen=True, slots=True)
class Call:
    """One RPC as it reached a service."""

    rpc: str
    request: Message
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class Upload:
    """What was seen of an upload, without keeping its bytes."""

    first: upload_pb2.UploadVideoRequest
    piece_bytes: list[int]
    sha256: str


@dataclass(slots=True)
class Journal:
    """What reached the services, and how they are to react to their next calls."""

    calls: list[Call] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    reactions: dict[str, Reaction] = field(default_factory=dict)
    keys: list[auth_pb2.JsonWebKey] = field(default_factory=list)
    change: asyncio.Event = field(default_factory=asyncio.Event)
    audio_pieces: int = AUDIO_PIECES

    async def note(self, rpc: str, request: Message, context: Context) -> None:
        """Remember a call, then react to it as the test asked."""
        metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
        # Envoy fetches the keys whenever it likes; no test asked for those calls.
        if metadata.get("user-agent") != KEY_FETCHER:
            self.calls.append(Call(rpc, request, metadata))
        reaction = self.reactions.get(rpc)
        if reaction is not None:
            await reaction(context)

    def only(self, rpc: str) -> Call:
        """Return the one call of an RPC; raise `AssertionError` if there was none or another."""
        calls = [call for call in self.calls if call.rpc == rpc]
        if len(calls) != 1:
            message = f"{rpc} was called {len(calls)} times"
            raise AssertionError(message)
        return calls[0]

    def reached(self, rpc: str) -> bool:
        """Tell whether an RPC was called at all."""
        return any(call.rpc == rpc for call in self.calls)

    def forget(self) -> None:
        """Start the next test with a clean page; published keys stay."""
        self.calls.clear()
        self.uploads.clear()
        self.reactions.clear()
        self.change.clear()
        self.audio_pieces = AUDIO_PIECES


def refuse(code: grpc.StatusCode, reason: str, *metadata: tuple[str, str]) -> Reaction:
    """React as a service does that refuses: a status, an ErrorInfo and trailing metadata."""

    async def react(context: Context) -> None:
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="tonearm"))
        status = rpc_status.to_status(
            status_pb2.Status(code=code.value[0], message=f"refused: {reason}", details=[detail])
        )
        context.set_trailing_metadata((*status.trailing_metadata, *metadata))
        await context.abort(code, status.details)

    return react


def send_metadata(*metadata: tuple[str, str]) -> Reaction:
    """React by sending initial metadata, then answer as usual."""

    async def react(context: Context) -> None:
        await context.send_initial_metadata(metadata)

    return react


@dataclass(slots=True)
class FakeAuth(auth_pb2_grpc.AuthServiceServicer):
    """Opens every account and takes every password."""

    journal: Journal

    async def CreateAccount(
        self, request: auth_pb2.CreateAccountRequest, context: Context
    ) -> auth_pb2.CreateAccountResponse:
        """Open an account."""
        await self.journal.note("CreateAccount", request, context)
        return auth_pb2.CreateAccountResponse(account=auth_pb2.Account(id="a1"))

    async def Login(
        self, request: auth_pb2.LoginRequest, context: Context
    ) -> auth_pb2.LoginResponse:
        """Hand out a token."""
        await self.journal.note("Login", request, context)
        return auth_pb2.LoginResponse(access_token="t", token_type="Bearer", expires_in=600)

    async def GetJwks(
        self, request: auth_pb2.GetJwksRequest, context: Context
    ) -> auth_pb2.GetJwksResponse:
        """Publish the journal's keys."""
        await self.journal.note("GetJwks", request, context)
        return auth_pb2.GetJwksResponse(keys=self.journal.keys)


@dataclass(slots=True)
class FakeConversions(conversion_pb2_grpc.ConversionServiceServicer):
    """Knows every conversion."""

    journal: Journal

    async def GetConversion(
        self, request: conversion_pb2.GetConversionRequest, context: Context
    ) -> conversion_pb2.GetConversionResponse:
        """Fetch a conversion of that id."""
        await self.journal.note("GetConversion", request, context)
        conversion = conversion_pb2.Conversion(id=request.conversion_id)
        return conversion_pb2.GetConversionResponse(conversion=conversion)

    async def ListConversions(
        self, request: conversion_pb2.ListConversionsRequest, context: Context
    ) -> conversion_pb2.ListConversionsResponse:
        """List one conversion."""
        await self.journal.note("ListConversions", request, context)
        return conversion_pb2.ListConversionsResponse(
            conversions=[conversion_pb2.Conversion(id="c1")]
        )

    async def WatchConversion(
        self, request: conversion_pb2.WatchConversionRequest, context: Context
    ) -> AsyncIterator[conversion_pb2.WatchConversionResponse]:
        """Say QUEUED, and SUCCEEDED once the test lets it."""
        await self.journal.note("WatchConversion", request, context)
        for state in (conversion_pb2.Conversion.QUEUED, conversion_pb2.Conversion.SUCCEEDED):
            conversion = conversion_pb2.Conversion(id=request.conversion_id, state=state)
            yield conversion_pb2.WatchConversionResponse(conversion=conversion)
            if state == conversion_pb2.Conversion.QUEUED:
                await self.journal.change.wait()

    async def CancelConversion(
        self, request: conversion_pb2.CancelConversionRequest, context: Context
    ) -> conversion_pb2.CancelConversionResponse:
        """Call a conversion of that id off."""
        await self.journal.note("CancelConversion", request, context)
        conversion = conversion_pb2.Conversion(
            id=request.conversion_id, state=conversion_pb2.Conversion.CANCELLED
        )
        return conversion_pb2.CancelConversionResponse(conversion=conversion)

    async def RetryConversion(
        self, request: conversion_pb2.RetryConversionRequest, context: Context
    ) -> conversion_pb2.RetryConversionResponse:
        """Make another conversion, and answer 201."""
        await self.journal.note("RetryConversion", request, context)
        await context.send_initial_metadata(
            (("x-http-code", "201"), ("location", "/v1/conversions/c2"))
        )
        conversion = conversion_pb2.Conversion(id="c2", retry_of=request.conversion_id)
        return conversion_pb2.RetryConversionResponse(conversion=conversion)

    async def DeleteConversion(
        self, request: conversion_pb2.DeleteConversionRequest, context: Context
    ) -> conversion_pb2.DeleteConversionResponse:
        """Delete a conversion."""
        await self.journal.note("DeleteConversion", request, context)
        return conversion_pb2.DeleteConversionResponse()


@dataclass(slots=True)
class FakeUploads(upload_pb2_grpc.UploadServiceServicer):
    """Counts and digests uploads."""

    journal: Journal

    async def UploadVideo(
        self,
        request_iterator: AsyncIterator[upload_pb2.UploadVideoRequest],
        context: Context,
    ) -> upload_pb2.UploadVideoResponse:
        """Take a video in, then answer 201."""
        first = upload_pb2.UploadVideoRequest()
        pieces: list[int] = []
        digest = hashlib.sha256()
        async for request in request_iterator:
            if not pieces:
                first.CopyFrom(request)
                first.video.ClearField("data")
                await self.journal.note("UploadVideo", first, context)
            pieces.append(len(request.video.data))
            digest.update(request.video.data)
        self.journal.uploads.append(Upload(first, pieces, digest.hexdigest()))
        await context.send_initial_metadata(
            (("x-http-code", "201"), ("location", "/v1/conversions/c1"))
        )
        return upload_pb2.UploadVideoResponse(conversion=conversion_pb2.Conversion(id="c1"))


@dataclass(slots=True)
class FakeAudio(audio_pb2_grpc.AudioServiceServicer):
    """Hands out the same audio for every conversion."""

    journal: Journal

    async def DownloadAudio(
        self, request: audio_pb2.DownloadAudioRequest, context: Context
    ) -> AsyncIterator[audio_pb2.DownloadAudioResponse]:
        """Stream the audio in full pieces."""
        await self.journal.note("DownloadAudio", request, context)
        await context.send_initial_metadata(
            (
                ("x-content-length", str(len(AUDIO))),
                ("content-disposition", 'attachment; filename="tune.mp3"'),
                ("etag", '"tune"'),
            )
        )
        for piece in range(self.journal.audio_pieces):
            start = piece * AUDIO_PIECE_BYTES
            body = httpbody_pb2.HttpBody(
                content_type="audio/mpeg", data=AUDIO[start : start + AUDIO_PIECE_BYTES]
            )
            yield audio_pb2.DownloadAudioResponse(audio=body)

    async def GetWaveform(
        self, request: audio_pb2.GetWaveformRequest, context: Context
    ) -> audio_pb2.GetWaveformResponse:
        """Draw nothing."""
        await self.journal.note("GetWaveform", request, context)
        body = httpbody_pb2.HttpBody(content_type="image/png", data=b"a picture")
        return audio_pb2.GetWaveformResponse(waveform=body)


@dataclass(slots=True)
class FakePage(page_pb2_grpc.PageServiceServicer):
    """Serves one page under every name."""

    journal: Journal

    async def GetPage(
        self, request: page_pb2.GetPageRequest, context: Context
    ) -> page_pb2.GetPageResponse:
        """Fetch the page."""
        await self.journal.note("GetPage", request, context)
        content = httpbody_pb2.HttpBody(content_type="text/html; charset=utf-8", data=PAGE)
        return page_pb2.GetPageResponse(content=content)


@dataclass(slots=True)
class FakeNotifier(notifier_pb2_grpc.NotifierServiceServicer):
    """Knows of one delivery and one webhook."""

    journal: Journal

    async def ListDeliveries(
        self, request: notifier_pb2.ListDeliveriesRequest, context: Context
    ) -> notifier_pb2.ListDeliveriesResponse:
        """List it."""
        await self.journal.note("ListDeliveries", request, context)
        return notifier_pb2.ListDeliveriesResponse(
            deliveries=[notifier_pb2.Delivery(conversion_id="c1", attempts=1)]
        )

    async def RedeliverNotice(
        self, request: notifier_pb2.RedeliverNoticeRequest, context: Context
    ) -> notifier_pb2.RedeliverNoticeResponse:
        """Make it due again."""
        await self.journal.note("RedeliverNotice", request, context)
        delivery = notifier_pb2.Delivery(conversion_id=request.conversion_id)
        return notifier_pb2.RedeliverNoticeResponse(delivery=delivery)

    async def CreateWebhook(
        self, request: notifier_pb2.CreateWebhookRequest, context: Context
    ) -> notifier_pb2.CreateWebhookResponse:
        """Take an endpoint in."""
        await self.journal.note("CreateWebhook", request, context)
        await context.send_initial_metadata(
            (("x-http-code", "201"), ("location", "/v1/webhooks/w1"), ("cache-control", "no-store"))
        )
        webhook = notifier_pb2.Webhook(id="w1", url=request.url, secret="whsec_c2VjcmV0")
        return notifier_pb2.CreateWebhookResponse(webhook=webhook)

    async def GetWebhook(
        self, request: notifier_pb2.GetWebhookRequest, context: Context
    ) -> notifier_pb2.GetWebhookResponse:
        """Show it."""
        await self.journal.note("GetWebhook", request, context)
        return notifier_pb2.GetWebhookResponse(webhook=notifier_pb2.Webhook(id=request.webhook_id))

    async def ListWebhooks(
        self, request: notifier_pb2.ListWebhooksRequest, context: Context
    ) -> notifier_pb2.ListWebhooksResponse:
        """List it."""
        await self.journal.note("ListWebhooks", request, context)
        return notifier_pb2.ListWebhooksResponse(webhooks=[notifier_pb2.Webhook(id="w1")])

    async def DeleteWebhook(
        self, request: notifier_pb2.DeleteWebhookRequest, context: Context
    ) -> notifier_pb2.DeleteWebhookResponse:
        """Let it go."""
        await self.journal.note("DeleteWebhook", request, context)
        return notifier_pb2.DeleteWebhookResponse()

    async def EnableWebhook(
        self, request: notifier_pb2.EnableWebhookRequest, context: Context
    ) -> notifier_pb2.EnableWebhookResponse:
        """Tell it again."""
        await self.journal.note("EnableWebhook", request, context)
        webhook = notifier_pb2.Webhook(id=request.webhook_id)
        return notifier_pb2.EnableWebhookResponse(webhook=webhook)

    async def RotateSecret(
        self, request: notifier_pb2.RotateSecretRequest, context: Context
    ) -> notifier_pb2.RotateSecretResponse:
        """Give it another secret."""
        await self.journal.note("RotateSecret", request, context)
        webhook = notifier_pb2.Webhook(id=request.webhook_id, secret="whsec_b3RoZXI=")
        return notifier_pb2.RotateSecretResponse(webhook=webhook)


@dataclass(slots=True)
class FakeConverter(converter_pb2_grpc.ConverterServiceServicer):
    """Would answer if anybody outside could reach it."""

    journal: Journal

    async def GetEngine(
        self, request: converter_pb2.GetEngineRequest, context: Context
    ) -> converter_pb2.GetEngineResponse:
        """Describe an engine."""
        await self.journal.note("GetEngine", request, context)
        return converter_pb2.GetEngineResponse(engine="none")

    async def InspectVideo(
        self, request: converter_pb2.InspectVideoRequest, context: Context
    ) -> converter_pb2.InspectVideoResponse:
        """Describe a video."""
        await self.journal.note("InspectVideo", request, context)
        return converter_pb2.InspectVideoResponse()


async def serve(register: Callable[[grpc.aio.Server], None], port: int = 0) -> Served:
    """Start a healthy server on loopback, on a free port unless one is named."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    checks = health.aio.HealthServicer()
    await checks.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    register(server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return Served(server, bound)


def register_auth(journal: Journal) -> Callable[[grpc.aio.Server], None]:
    """Make the registration of the auth service's fakes."""

    def register(server: grpc.aio.Server) -> None:
        auth_pb2_grpc.add_AuthServiceServicer_to_server(FakeAuth(journal), server)

    return register


def register_gateway(journal: Journal) -> Callable[[grpc.aio.Server], None]:
    """Make the registration of the gateway's fakes, with reflection, and of a converter."""

    def register(server: grpc.aio.Server) -> None:
        conversion_pb2_grpc.add_ConversionServiceServicer_to_server(
            FakeConversions(journal), server
        )
        upload_pb2_grpc.add_UploadServiceServicer_to_server(FakeUploads(journal), server)
        audio_pb2_grpc.add_AudioServiceServicer_to_server(FakeAudio(journal), server)
        page_pb2_grpc.add_PageServiceServicer_to_server(FakePage(journal), server)
        converter_pb2_grpc.add_ConverterServiceServicer_to_server(FakeConverter(journal), server)
        reflection.enable_server_reflection(["tonearm.gateway.v1.PageService"], server)

    return register


def register_notifier(journal: Journal) -> Callable[[grpc.aio.Server], None]:
    """Make the registration of the notifier's fakes."""

    def register(server: grpc.aio.Server) -> None:
        notifier_pb2_grpc.add_NotifierServiceServicer_to_server(FakeNotifier(journal), server)

    return register
