"""Wrap every call: request id, trace, deadline, access line, metrics, exception -> status."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import structlog

from tonearm_chassis import metrics, tracing
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log
from tonearm_chassis.status import Answer, StatusTable, abort, answer_for

log = get_log(__name__)

UNARY_SECONDS = 30.0  # a unary call without a deadline gets this one: every wait ends
SHAVED_SECONDS = 0.05  # so that the server can still say what timed out

# What gRPC itself serves (health, reflection) is not ours to wrap.
GRPC_OWN = "/grpc."

CODE_NAMES: dict[object, str] = {status.value[0]: status.name for status in grpc.StatusCode}

OUTAGE = Answer(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
BUG = Answer(grpc.StatusCode.INTERNAL, "INTERNAL")
DEADLINE = Answer(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
CANCELLED = Answer(grpc.StatusCode.CANCELLED, "CANCELLED")

Context = grpc.aio.ServicerContext[Any, Any]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """The one interceptor of a service; its order of duties is the order of the code below."""

    def __init__(self, table: StatusTable) -> None:
        """Answer the exceptions in `table` as it says, and all others without their text."""
        self._table = table

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the method's handler."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(GRPC_OWN):
            return handler
        if handler.response_streaming:
            return self._streaming(handler, method)
        return self._single(handler, method)

    def _single(
        self, handler: grpc.RpcMethodHandler[Any, Any], method: str
    ) -> grpc.RpcMethodHandler[Any, Any]:
        inner: Any = handler.stream_unary if handler.request_streaming else handler.unary_unary
        # A streamed request takes as long as its sender does; only its own deadline ends it.
        limit = None if handler.request_streaming else UNARY_SECONDS

        async def call(request: Any, context: Context) -> Any:
            async with self._call(method, context), self._deadline(context, limit):
                return await inner(request, context)

        make = (
            grpc.stream_unary_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return make(call, handler.request_deserializer, handler.response_serializer)

    def _streaming(
        self, handler: grpc.RpcMethodHandler[Any, Any], method: str
    ) -> grpc.RpcMethodHandler[Any, Any]:
        inner: Any = handler.stream_stream if handler.request_streaming else handler.unary_stream

        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            async with self._call(method, context), aclosing(inner(request, context)) as messages:
                async for message in messages:
                    yield message

        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_stream_rpc_method_handler
        )
        return make(call, handler.request_deserializer, handler.response_serializer)

    @asynccontextmanager
    async def _call(self, method: str, context: Context) -> AsyncIterator[None]:
        metadata = {
            key: value
            for key, value in context.invocation_metadata() or ()
            if isinstance(value, str)
        }
        request_id = metadata.get("x-request-id") or uuid.uuid4().hex
        started = time.perf_counter()
        with tracing.span(method, metadata) as trace_id:
            structlog.contextvars.bind_contextvars(request_id=request_id, trace_id=trace_id)
            metrics.RPC_RUNNING.labels(method).inc()
            try:
                async with self._answered(context, request_id):
                    yield
            finally:
                seconds = time.perf_counter() - started
                code = _code_name(context)
                metrics.RPC_RUNNING.labels(method).dec()
                metrics.RPC_SECONDS.labels(method, code).observe(seconds)
                log.info("rpc_finished", method=method, code=code, seconds=round(seconds, 4))

    @asynccontextmanager
    async def _answered(self, context: Context, request_id: str) -> AsyncIterator[None]:
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError:
            # Letting it out of an aio handler leaves the call open and its client waiting
            # (grpc#29248); a status ends it.
            await abort(context, CANCELLED, "the call was cancelled")
        except Outage as error:
            log.warning("rpc_outage", cause=str(error))
            await abort(context, OUTAGE, "a part of the service is away; try again")
        except Exception as error:
            answer = answer_for(self._table, error)
            if answer is None:
                log.exception("rpc_failed")
                await abort(context, BUG, f"internal error; request id {request_id}")
            await abort(context, answer, str(error))

    @asynccontextmanager
    async def _deadline(self, context: Context, limit: float | None) -> AsyncIterator[None]:
        remaining = context.time_remaining()
        if remaining is not None:
            shaved = max(remaining - SHAVED_SECONDS, 0.0)
            limit = shaved if limit is None else min(limit, shaved)
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            await abort(context, DEADLINE, f"not done within {limit:.1f} s")


def _code_name(context: Context) -> str:
    # grpc types this as a StatusCode; until a call ends otherwise it is the number 0 or None.
    code: object = context.code()
    if isinstance(code, grpc.StatusCode):
        return code.name
    return CODE_NAMES.get(code, "OK")
