"""A service for tests: its methods do whatever a test gives them to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2

from tonearm_chassis.server import Binding
from tonearm_chassis.status import DETAILS_KEY

SERVICE = "test.Tiny"
Request = health_pb2.HealthCheckRequest
Response = health_pb2.HealthCheckResponse

Context = grpc.aio.ServicerContext[Any, Any]
Unary = Callable[[Request, Context], Awaitable[Any]]
Upload = Callable[[AsyncIterator[Request], Context], Awaitable[Response]]
Download = Callable[[Request, Context], AsyncIterator[Response] | Awaitable[None]]


async def answer(_request: Request, _context: Context) -> Response:
    """Answer at once."""
    return Response(status=Response.SERVING)


async def swallow(requests: AsyncIterator[Request], _context: Context) -> Response:
    """Read all requests, then answer."""
    async for _ in requests:
        pass
    return Response(status=Response.SERVING)


async def three(_request: Request, _context: Context) -> AsyncIterator[Response]:
    """Answer three times."""
    for _ in range(3):
        yield Response(status=Response.SERVING)


@dataclass(frozen=True, slots=True)
class Tiny:
    """What the three methods of the service do."""

    unary: Unary = answer
    upload: Upload = swallow
    download: Download = three

    def binding(self) -> Binding:
        """Give it to a server."""
        codec = (Request.FromString, Response.SerializeToString)
        unary: Any = self.unary
        upload: Any = self.upload
        download: Any = self.download
        methods = {
            "Unary": grpc.unary_unary_rpc_method_handler(unary, *codec),
            "Upload": grpc.stream_unary_rpc_method_handler(upload, *codec),
            "Download": grpc.unary_stream_rpc_method_handler(download, *codec),
        }
        handler = grpc.method_handlers_generic_handler(SERVICE, methods)
        return Binding(SERVICE, lambda server: server.add_generic_rpc_handlers((handler,)))


@dataclass(frozen=True, slots=True)
class TinyStub:
    """The service's client; also sends what is no message at all."""

    channel: grpc.aio.Channel

    def unary(self, request: bytes = b"", **options: Any) -> Any:  # noqa: ANN401 - grpc's call
        """Call Unary with raw bytes."""
        return self._method("unary_unary", "Unary")(request, **options)

    def upload(self, requests: list[bytes], **options: Any) -> Any:  # noqa: ANN401 - grpc's call
        """Call Upload with raw bytes."""
        return self._method("stream_unary", "Upload")(iter(requests), **options)

    def download(self, request: bytes = b"", **options: Any) -> Any:  # noqa: ANN401 - grpc's call
        """Call Download with raw bytes."""
        return self._method("unary_stream", "Download")(request, **options)

    def _method(self, kind: str, name: str) -> Any:  # noqa: ANN401 - grpc's call
        make = getattr(self.channel, kind)
        return make(f"/{SERVICE}/{name}", response_deserializer=Response.FromString)


def error_info(error: grpc.aio.AioRpcError) -> tuple[str, str]:
    """Read the domain and the reason out of a rich status."""
    details = dict(error.trailing_metadata() or ())[DETAILS_KEY]
    assert isinstance(details, bytes)
    status = status_pb2.Status.FromString(details)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.domain, info.reason
