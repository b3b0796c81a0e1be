"""Wrap every call: request id, trace, deadline, access line, metrics, exception -> status."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias, cast

import grpc
import structlog
from google.protobuf.message import DecodeError

from tonearm_chassis import metrics, tracing
from tonearm_chassis.errors import Outage, StorageFull
from tonearm_chassis.logs import get_log
from tonearm_chassis.status import Answer, StatusTable, abort, answer_for, field_of

log = get_log(__name__)

UNARY_SECONDS = 30.0  # a unary call without a deadline gets this one: every wait ends
# So that the server can still say what timed out: this much of the deadline is the answer's.
SHAVED_SECONDS = 0.05
SHAVED_SHARE = 0.1

# What gRPC itself serves (health, reflection) is not ours to wrap.
GRPC_OWN = "/grpc."

# A request id goes to logs and answers: nothing else than an id may travel under its name.
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

CODE_NAMES: dict[object, str] = {status.value[0]: status.name for status in grpc.StatusCode}

OUTAGE = Answer(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
FULL = Answer(grpc.StatusCode.UNAVAILABLE, "STORAGE_FULL")
BUG = Answer(grpc.StatusCode.INTERNAL, "INTERNAL")
CANCELLED = Answer(grpc.StatusCode.CANCELLED, "CANCELLED")
DEADLINE = Answer(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
MALFORMED = Answer(grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class MalformedRequest(Exception):
    """What came is not the message that the method takes."""


class CallInterceptor(grpc.aio.ServerInterceptor):
    """The one interceptor of a service; its order of duties is the order of the code below."""

    def __init__(
        self,
        table: StatusTable,
        ready: asyncio.Event | None = None,
        stopping: asyncio.Event | None = None,
    ) -> None:
        """Answer the exceptions in `table` as it says, and all others without their text.

        Until `ready` is set every call is answered with UNAVAILABLE, and so is one that is cut off
        after `stopping` was.
        """
        self._table = table
        self._ready = ready
        self._stopping = stopping or asyncio.Event()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the method's handler."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(GRPC_OWN):
            return handler
        if handler.response_streaming:
            return self._streaming(handler, method)
        return self._single(handler, method)

    def _single(self, handler: Handler, method: str) -> Handler:
        inner: Any = handler.stream_unary if handler.request_streaming else handler.unary_unary
        # A streamed request takes as long as its sender does; only its own deadline ends it.
        limit = None if handler.request_streaming else UNARY_SECONDS
        read, write = _reader(handler), handler.response_serializer or _as_it_is

        async def call(request: object, context: Context) -> bytes:
            async with self._call(method, context), self._deadline(context, limit):
                # Here, not in gRPC, which would send the text of what goes wrong to the client.
                opened = request if handler.request_streaming else read(request)
                return write(await inner(opened, context))
            raise AssertionError  # the answers above all end the call

        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(call, read)
        return grpc.unary_unary_rpc_method_handler(call)

    def _streaming(self, handler: Handler, method: str) -> Handler:
        inner: Any = handler.stream_stream if handler.request_streaming else handler.unary_stream
        read = _reader(handler)

        # No generator: gRPC leaves one behind half-run when the client goes while a message is
        # being sent. It would be closed whenever, by another task, in another context.
        async def call(request: object, context: Context) -> None:
            async with self._call(method, context):
                opened = request if handler.request_streaming else read(request)
                messages = inner(opened, context)
                if not hasattr(messages, "__aiter__"):  # it writes to the context itself
                    await messages
                    return
                async with aclosing(messages):
                    async for message in messages:
                        await context.write(message)

        # grpc's types know generators only.
        behavior = cast("Any", call)
        write = handler.response_serializer
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(behavior, read, write)
        return grpc.unary_stream_rpc_method_handler(behavior, None, write)

    @asynccontextmanager
    async def _call(self, method: str, context: Context) -> AsyncIterator[None]:
        metadata = {
            key: value
            for key, value in context.invocation_metadata() or ()
            if isinstance(value, str)
        }
        request_id = metadata.get("x-request-id", "")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = uuid.uuid4().hex
        started = time.perf_counter()
        with (
            tracing.span(method, metadata) as trace_id,
            structlog.contextvars.bound_contextvars(request_id=request_id, trace_id=trace_id),
            metrics.RPC_RUNNING.labels(method).track_inprogress(),
        ):
            cancelled = False
            try:
                async with self._answered(context, request_id):
                    yield
            except asyncio.CancelledError:
                cancelled = True
                raise
            finally:
                code = "CANCELLED" if cancelled else _code_name(context)
                _account_for(method, code, time.perf_counter() - started)

    @asynccontextmanager
    async def _answered(self, context: Context, request_id: str) -> AsyncIterator[None]:
        try:
            self._require_readiness()
            yield
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError:
            # Letting it out of an aio handler leaves the call open and its client waiting
            # (grpc#29248); a status ends it.
            if self._stopping.is_set():
                await abort(context, OUTAGE, "the service is stopping; try again")
            await abort(context, CANCELLED, "the call was cancelled")
        except StorageFull:
            log.exception("storage_full")
            await abort(context, FULL, "the service has no room left; try again later")
        except Outage as error:
            log.warning("rpc_outage", cause=str(error))
            await abort(context, OUTAGE, "a part of the service is away; try again")
        except MalformedRequest:
            await abort(context, MALFORMED, "the request is not the message this method takes")
        except Exception as error:
            answer = answer_for(self._table, error)
            if answer is None:
                log.exception("rpc_failed")
                await abort(context, BUG, f"internal error; request id {request_id}")
            await abort(context, answer, str(error), field_of(error))

    def _require_readiness(self) -> None:
        # Whoever does not ask for health first would meet a store without its indexes.
        if self._ready is not None and not self._ready.is_set():
            raise Outage("this service is still starting")

    @asynccontextmanager
    async def _deadline(self, context: Context, limit: float | None) -> AsyncIterator[None]:
        remaining = context.time_remaining()
        if remaining is not None:
            shaved = max(remaining - min(SHAVED_SECONDS, remaining * SHAVED_SHARE), 0.0)
            limit = shaved if limit is None else min(limit, shaved)
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            await abort(context, DEADLINE, f"not done within {limit:.1f} s")


def _as_it_is(message: Any) -> Any:  # noqa: ANN401 - bytes to gRPC, any message to a handler
    return message


def _reader(handler: Handler) -> Callable[[Any], Any]:
    deserialize = handler.request_deserializer or _as_it_is

    def read(content: bytes) -> object:
        try:
            return deserialize(content)
        except DecodeError:
            raise MalformedRequest from None

    return read


def _account_for(method: str, code: str, seconds: float) -> None:
    metrics.RPC_SECONDS.labels(method, code).observe(seconds)
    log.info("rpc_finished", method=method, code=code, seconds=round(seconds, 4))


def _code_name(context: Context) -> str:
    # grpc types this as a StatusCode; until a call ends otherwise it is the number 0 or None.
    code: object = context.code()
    if isinstance(code, grpc.StatusCode):
        return code.name
    return CODE_NAMES.get(code, "OK")
