"""What a caller sees of a call, whatever its handler does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
import structlog
from chassis_rpc import SERVICE, Context, Request, Response, Tiny, TinyStub, error_info
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tonearm_chassis.errors import Outage, StorageFull
from tonearm_chassis.status import Answer, StatusTable, blamed_fields, reason_of
from tonearm_chassis.testing.rpc import serving

MALFORMED = b"\xff\xff\xff"


class TooLong(Exception):
    """A refusal."""


class MuchTooLong(TooLong):
    """A refusal that the table knows by its base only."""


class BadField(TooLong):
    """A refusal that blames a field."""

    def __init__(self, field: str, repeats: int = 5) -> None:
        super().__init__("far \N{EM DASH} too long " * repeats)
        self.field = field


class Expired(Exception):
    """A refusal that REST has a better status for."""


TABLE: StatusTable = {
    TooLong: Answer(grpc.StatusCode.FAILED_PRECONDITION, "TOO_LONG"),
    Expired: Answer(grpc.StatusCode.FAILED_PRECONDITION, "EXPIRED", 410),
}


def raising(error: BaseException) -> Tiny:
    """A service all of whose methods raise `error`."""

    async def fail(_request: object, _context: Context) -> Response:
        raise error

    async def fail_late(_request: Request, _context: Context) -> AsyncIterator[Response]:
        yield Response()
        raise error

    return Tiny(unary=fail, upload=fail, download=fail_late)


async def failure(tiny: Tiny, method: str, **options: object) -> grpc.aio.AioRpcError:
    """Call a method and give the error it ends with."""
    async with serving([tiny.binding()], TABLE) as channel, asyncio.timeout(10):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await called(TinyStub(channel), method, **options)
    return caught.value


async def called(stub: TinyStub, method: str, **options: object) -> None:
    """Call a method and read all of its answer."""
    if method == "download":
        async for _ in stub.download(b"", **options):
            pass
    elif method == "upload":
        await stub.upload([b""], **options)
    else:
        await stub.unary(b"", **options)


every_method = pytest.mark.parametrize("method", ["unary", "upload", "download"])


@every_method
async def test_the_text_of_a_bug_never_reaches_the_caller(method: str) -> None:
    error = await failure(raising(ValueError("password=hunter2")), method)

    assert error.code() is grpc.StatusCode.INTERNAL
    assert error_info(error) == ("tonearm", "INTERNAL")
    assert "hunter2" not in f"{error.details()} {error.trailing_metadata()}"


@every_method
async def test_a_bug_is_logged_with_its_traceback_and_the_id_the_caller_was_told(
    method: str,
) -> None:
    with capture_logs() as lines:
        error = await failure(
            raising(ValueError("hunter2")), method, metadata=(("x-request-id", "abc-123"),)
        )

    assert error.details() == "internal error; request id abc-123"
    assert [line["exc_info"] for line in lines if line["event"] == "rpc_failed"] == [True]


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 65, '"}{"'])
async def test_a_request_id_that_is_none_is_replaced(request_id: str) -> None:
    error = await failure(raising(ValueError()), "unary", metadata=(("x-request-id", request_id),))

    details = error.details() or ""
    assert len(details.rpartition(" ")[2]) == 32


@every_method
async def test_a_full_store_has_a_reason_of_its_own(method: str) -> None:
    error = await failure(raising(StorageFull("mongodb-1: 0 bytes left")), method)

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(error) == "STORAGE_FULL"
    assert "mongodb-1" not in f"{error.details()} {error.trailing_metadata()}"


async def test_an_answer_may_refine_the_status_of_rest() -> None:
    error = await failure(raising(Expired("it was kept until Monday")), "unary")

    assert dict(error.trailing_metadata() or ())["x-http-code"] == "410"


@every_method
@pytest.mark.parametrize("refusal", [TooLong, MuchTooLong])
async def test_a_refusal_reaches_the_caller_with_its_text_and_reason(
    method: str, refusal: type[TooLong]
) -> None:
    error = await failure(raising(refusal("an hour at most, \N{EM DASH} please")), method)

    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == "an hour at most, \N{EM DASH} please"
    assert error_info(error) == ("tonearm", "TOO_LONG")
    assert reason_of(error) == "TOO_LONG"


@every_method
async def test_a_refusal_names_the_field_that_it_blames(method: str) -> None:
    error = await failure(raising(BadField("clip.length")), method)

    assert error_info(error) == ("tonearm", "TOO_LONG")
    assert blamed_fields(error) == ["clip.length"]


@pytest.mark.parametrize("refusal", [TooLong("\N{EM DASH}" * 50_000), BadField("f", 10_000)])
async def test_a_refusal_of_any_length_gets_through(refusal: TooLong) -> None:
    error = await failure(raising(refusal), "unary")

    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert len(error.details() or "") == 500


@every_method
async def test_an_outage_is_unavailable_and_keeps_its_cause_to_itself(method: str) -> None:
    error = await failure(raising(Outage("mongodb: 10.0.0.7 refused")), method)

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error_info(error) == ("tonearm", "UNAVAILABLE")
    assert "10.0.0.7" not in (error.details() or "")


@every_method
async def test_a_handler_that_raises_cancelled_error_ends_the_call_at_once(method: str) -> None:
    started = time.monotonic()

    error = await failure(raising(asyncio.CancelledError()), method)

    assert error.code() is grpc.StatusCode.CANCELLED
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("method", ["unary", "upload"])
async def test_the_server_answers_a_deadline_before_the_caller_gives_up(method: str) -> None:
    async def sleep(_request: object, _context: Context) -> Response:
        await asyncio.sleep(10)  # longer than the deadline
        return Response()

    error = await failure(Tiny(unary=sleep, upload=sleep), method, timeout=0.5)

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error_info(error) == ("tonearm", "DEADLINE_EXCEEDED")


async def test_a_short_deadline_leaves_time_to_work() -> None:
    async with serving([Tiny().binding()], TABLE) as channel:
        await TinyStub(channel).unary()  # connects

        response = await TinyStub(channel).unary(timeout=0.04)

    assert response.status == Response.SERVING


async def test_a_timeout_of_the_handlers_own_is_a_bug_and_no_deadline() -> None:
    error = await failure(raising(TimeoutError()), "unary", timeout=5)

    assert error.code() is grpc.StatusCode.INTERNAL


async def test_a_request_that_is_no_message_is_refused_without_the_parsers_words() -> None:
    async with serving([Tiny().binding()], TABLE) as channel:
        stub = TinyStub(channel)
        for call in (stub.unary(MALFORMED), stub.upload([MALFORMED])):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call

            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert error_info(caught.value) == ("tonearm", "MALFORMED_REQUEST")
            assert "grpc.health" not in (caught.value.details() or "")


async def test_an_answer_of_the_wrong_type_is_a_bug_like_any_other() -> None:
    async def nothing(_request: Request, _context: Context) -> None:
        return None

    error = await failure(Tiny(unary=nothing), "unary")

    assert error.code() is grpc.StatusCode.INTERNAL
    assert "NoneType" not in (error.details() or "")


@pytest.mark.parametrize("pause", [0.0, 0.01], ids=["sending", "waiting"])
async def test_a_caller_that_goes_runs_the_generators_finally_in_its_own_task(
    pause: float,
) -> None:
    tasks: list[asyncio.Task[object] | None] = []
    ended = asyncio.Event()

    async def endless(_request: Request, _context: Context) -> AsyncIterator[Response]:
        tasks.append(asyncio.current_task())
        try:
            while True:
                yield Response(status=Response.SERVING)
                if pause:
                    await asyncio.sleep(pause)  # as a slow source would
        finally:
            tasks.append(asyncio.current_task())
            ended.set()

    with capture_logs() as lines:
        async with serving([Tiny(download=endless).binding()], TABLE) as channel:
            call = TinyStub(channel).download()
            await call.read()
            await asyncio.sleep(0.1)  # without a pause, the window is full by now
            call.cancel()
            async with asyncio.timeout(5):
                await ended.wait()

    assert tasks[0] is tasks[1]
    assert [line["code"] for line in lines if line["event"] == "rpc_finished"] == ["CANCELLED"]


async def test_a_stream_may_write_to_its_context_instead_of_yielding() -> None:
    async def writer(_request: Request, context: Context) -> None:
        await context.write(Response(status=Response.SERVING))

    async with serving([Tiny(download=writer).binding()], TABLE) as channel:
        answers = [each async for each in TinyStub(channel).download()]

    assert [each.status for each in answers] == [Response.SERVING]


@every_method
async def test_calls_are_measured_by_method_and_code(method: str) -> None:
    def count(code: str) -> float:
        labels = {"method": f"/{SERVICE}/{method.capitalize()}", "code": code}
        return REGISTRY.get_sample_value("tonearm_rpc_seconds_count", labels) or 0.0

    good, bad = count("OK"), count("FAILED_PRECONDITION")

    await failure(raising(TooLong("no")), method)
    async with serving([Tiny().binding()], TABLE) as channel:
        await called(TinyStub(channel), method)

    assert (count("OK") - good, count("FAILED_PRECONDITION") - bad) == (1, 1)
    labels = {"method": f"/{SERVICE}/{method.capitalize()}"}
    assert REGISTRY.get_sample_value("tonearm_rpc_running", labels) == 0


async def test_every_call_leaves_one_line_with_its_ids() -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        async with serving([Tiny().binding()], TABLE) as channel:
            await TinyStub(channel).unary(
                metadata=(
                    ("x-request-id", "r-1"),
                    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                )
            )

    (line,) = [line for line in lines if line["event"] == "rpc_finished"]
    assert (line["method"], line["code"]) == (f"/{SERVICE}/Unary", "OK")
    assert (line["request_id"], line["trace_id"]) == ("r-1", "0af7651916cd43dd8448eb211c80319c")
