"""The UploadService over gRPC: unwire, use case, wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from gateway_service import domain, wire
from gateway_service.rpc.calls import Context, metadata_of, owner_of, say_created
from gateway_service.use_cases.upload import UploadVideo
from tonearm.gateway.v1 import upload_pb2, upload_pb2_grpc
from tonearm_chassis.errors import StorageFull
from tonearm_chassis.tokens import TokenVerifier

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
        owner = await owner_of(self._tokens, context)
        messages = aiter(request_iterator)
        first = await anext(messages, upload_pb2.UploadVideoRequest())
        try:
            declared = wire.declaration(first, _content_length(context))
            conversion = await self._upload(owner, declared, _pieces(first, messages))
        except (domain.Refusal, StorageFull):
            await _linger(messages)
            raise
        await say_created(conversion, context)
        return upload_pb2.UploadVideoResponse(conversion=wire.conversion_message(conversion))


def _content_length(context: Context) -> int:
    # Set by Envoy from the caller's Content-Length; stripped if the caller sent it.
    text = metadata_of(context, "x-request-content-length")
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
