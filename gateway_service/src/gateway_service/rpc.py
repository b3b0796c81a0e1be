"""The gateway's services over gRPC: unwire, use case, wire; and the one table of refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import grpc
from google.api import httpbody_pb2

from gateway_service import domain, wire
from gateway_service.domain import AccountId, ConversionId, Owner
from gateway_service.ports import Page
from gateway_service.use_cases.read import (
    DownloadAudio,
    GetConversion,
    ListConversions,
    WatchConversion,
)
from gateway_service.use_cases.upload import UploadVideo
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
from tonearm_chassis.status import Answer, StatusTable
from tonearm_chassis.tokens import TOKEN_TABLE, TokenVerifier

INVALID = grpc.StatusCode.INVALID_ARGUMENT

TABLE: StatusTable = {
    **TOKEN_TABLE,
    domain.MissingFilename: Answer(INVALID, "MISSING_FILENAME"),
    domain.InvalidBitrate: Answer(INVALID, "INVALID_BITRATE"),
    domain.InvalidSHA256: Answer(INVALID, "INVALID_SHA256"),
    domain.InvalidRequestId: Answer(INVALID, "INVALID_REQUEST_ID"),
    domain.LengthRequired: Answer(INVALID, "LENGTH_REQUIRED"),
    domain.EmptyVideo: Answer(INVALID, "EMPTY_VIDEO"),
    domain.IncompleteVideo: Answer(INVALID, "INCOMPLETE_VIDEO"),
    domain.LengthMismatch: Answer(INVALID, "LENGTH_MISMATCH"),
    domain.ChecksumMismatch: Answer(INVALID, "CHECKSUM_MISMATCH"),
    domain.VideoTooLarge: Answer(grpc.StatusCode.RESOURCE_EXHAUSTED, "VIDEO_TOO_LARGE"),
    domain.RequestIdReused: Answer(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    domain.UnknownConversion: Answer(grpc.StatusCode.NOT_FOUND, "UNKNOWN_CONVERSION"),
    domain.AudioNotReady: Answer(grpc.StatusCode.FAILED_PRECONDITION, "AUDIO_NOT_READY"),
    domain.InvalidPageSize: Answer(INVALID, "INVALID_PAGE_SIZE"),
    domain.InvalidPageToken: Answer(INVALID, "INVALID_PAGE_TOKEN"),
    domain.UnknownAsset: Answer(grpc.StatusCode.NOT_FOUND, "UNKNOWN_ASSET"),
}

Context = grpc.aio.ServicerContext[Any, Any]

# Scripts, styles and images from here only; sound from memory, for it needs the token to load.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


LINGER_BYTES = 8 * 1024 * 1024
LINGER_SECONDS = 1.0


class UploadServicer(upload_pb2_grpc.UploadServiceServicer):
    """The UploadService."""

    def __init__(self, tokens: TokenVerifier, upload: UploadVideo) -> None:
        """Answer with this use case."""
        self._tokens = tokens
        self._upload = upload

    async def UploadVideo(
        self, request_iterator: AsyncIterator[upload_pb2.UploadVideoRequest], context: Context
    ) -> upload_pb2.UploadVideoResponse:
        """Take a video in."""
        caller = await self._tokens.caller(context)
        messages = aiter(request_iterator)
        first = await anext(messages, upload_pb2.UploadVideoRequest())
        declared = wire.declaration(first, _content_length(context))
        owner = Owner(AccountId(caller.account_id), caller.email)
        try:
            conversion = await self._upload(owner, declared, _pieces(first, messages))
        except domain.Refusal:
            await _linger(messages)
            raise
        await context.send_initial_metadata(
            (("x-http-code", "201"), ("location", f"/v1/conversions/{conversion.id}"))
        )
        return upload_pb2.UploadVideoResponse(conversion=wire.conversion_message(conversion))


class ConversionServicer(conversion_pb2_grpc.ConversionServiceServicer):
    """The ConversionService."""

    def __init__(
        self,
        tokens: TokenVerifier,
        get: GetConversion,
        list_: ListConversions,
        watch: WatchConversion,
    ) -> None:
        """Answer with these use cases."""
        self._tokens = tokens
        self._get = get
        self._list = list_
        self._watch = watch

    async def GetConversion(
        self, request: conversion_pb2.GetConversionRequest, context: Context
    ) -> conversion_pb2.GetConversionResponse:
        """Fetch one."""
        account_id = await _account(self._tokens, context)
        conversion = await self._get(account_id, ConversionId(request.conversion_id))
        return conversion_pb2.GetConversionResponse(conversion=wire.conversion_message(conversion))

    async def ListConversions(
        self, request: conversion_pb2.ListConversionsRequest, context: Context
    ) -> conversion_pb2.ListConversionsResponse:
        """List a page."""
        account_id = await _account(self._tokens, context)
        start = wire.page_start(request.page_token)
        page, following = await self._list(account_id, request.page_size, start)
        return conversion_pb2.ListConversionsResponse(
            conversions=[wire.conversion_message(each) for each in page],
            next_page_token=wire.page_token(following),
        )

    async def WatchConversion(
        self, request: conversion_pb2.WatchConversionRequest, context: Context
    ) -> AsyncIterator[conversion_pb2.WatchConversionResponse]:
        """Follow one."""
        account_id = await _account(self._tokens, context)
        async for conversion in self._watch(account_id, ConversionId(request.conversion_id)):
            yield conversion_pb2.WatchConversionResponse(
                conversion=wire.conversion_message(conversion)
            )

    async def CancelConversion(
        self, _: conversion_pb2.CancelConversionRequest, context: Context
    ) -> conversion_pb2.CancelConversionResponse:
        """Call one off."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED)

    async def RetryConversion(
        self, _: conversion_pb2.RetryConversionRequest, context: Context
    ) -> conversion_pb2.RetryConversionResponse:
        """Make another one of the same video."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED)

    async def DeleteConversion(
        self, _: conversion_pb2.DeleteConversionRequest, context: Context
    ) -> conversion_pb2.DeleteConversionResponse:
        """Delete one."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED)


class AudioServicer(audio_pb2_grpc.AudioServiceServicer):
    """The AudioService."""

    def __init__(self, tokens: TokenVerifier, download: DownloadAudio) -> None:
        """Answer with this use case."""
        self._tokens = tokens
        self._download = download

    async def DownloadAudio(
        self, request: audio_pb2.DownloadAudioRequest, context: Context
    ) -> AsyncIterator[audio_pb2.DownloadAudioResponse]:
        """Hand the MP3 out."""
        account_id = await _account(self._tokens, context)
        download = await self._download(account_id, ConversionId(request.conversion_id))
        is_head = _metadata(context, "x-envoy-original-method") == "HEAD"
        # Before the headers: what cannot be read is an error then, and can be asked for again.
        first = b"" if is_head else await anext(download.pieces, b"")
        await context.send_initial_metadata(
            (
                # Envoy's transcoder drops content-length; its Lua filter renames this one.
                ("x-content-length", str(download.audio.size_bytes)),
                ("content-disposition", _attachment(download.filename)),
                ("cache-control", "private, no-store"),
            )
        )
        yield _audio_piece(first)
        if is_head:
            return
        async for piece in download.pieces:
            yield _audio_piece(piece)


class PageServicer(page_pb2_grpc.PageServiceServicer):
    """The PageService."""

    def __init__(self, page: Page) -> None:
        """Serve these files."""
        self._page = page

    async def GetPage(
        self, request: page_pb2.GetPageRequest, context: Context
    ) -> page_pb2.GetPageResponse:
        """Fetch a file of the page."""
        asset = self._page.asset(request.asset)
        await context.send_initial_metadata(
            (
                ("content-security-policy", PAGE_POLICY),
                ("referrer-policy", "no-referrer"),
                ("cache-control", "no-cache"),
            )
        )
        body = httpbody_pb2.HttpBody(content_type=asset.content_type, data=asset.content)
        return page_pb2.GetPageResponse(content=body)


async def _account(tokens: TokenVerifier, context: Context) -> AccountId:
    return AccountId((await tokens.caller(context)).account_id)


def _metadata(context: Context, name: str) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == name:
            return str(value)
    return ""


def _content_length(context: Context) -> int:
    # Set by Envoy from the caller's Content-Length; stripped if the caller sent it.
    text = _metadata(context, "x-request-content-length")
    return int(text) if text.isdecimal() else 0


async def _pieces(
    first: upload_pb2.UploadVideoRequest,
    rest: AsyncIterator[upload_pb2.UploadVideoRequest],
) -> AsyncIterator[bytes]:
    if first.video.data:
        yield first.video.data
    async for message in rest:
        if message.video.data:
            yield message.video.data


async def _linger(messages: AsyncIterator[upload_pb2.UploadVideoRequest]) -> None:
    """Read on for a moment, so that a sender who only listens at the end hears the refusal.

    A call that ends while its client is sending reaches many clients as a broken stream.
    """
    left = LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            async for message in messages:
                left -= len(message.video.data)
                if left < 0:
                    return


def _audio_piece(data: bytes) -> audio_pb2.DownloadAudioResponse:
    body = httpbody_pb2.HttpBody(content_type="audio/mpeg", data=data)
    return audio_pb2.DownloadAudioResponse(audio=body)


def _attachment(filename: str) -> str:
    """Write Content-Disposition (RFC 6266): a plain name for old clients beside the true one."""
    plain = "".join(
        each if each.isascii() and each.isprintable() and each not in '"\\%' else "_"
        for each in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
