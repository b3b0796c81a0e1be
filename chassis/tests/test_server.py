"""A service from its start to the end of its drain."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import httpx
import pytest
from chassis_programs import PATIENCE_SECONDS, child
from chassis_rpc import SERVICE, Context, Request, Response, Tiny, TinyStub
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tonearm_chassis.interceptors import CallInterceptor
from tonearm_chassis.server import OPTIONS, ServiceRunner
from tonearm_chassis.settings import ServiceSettings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LOCAL = ServiceSettings(grpc_address="127.0.0.1:0", drain_seconds=2)


def asking(seconds: float) -> bytes:
    """A request to the tiny service to take its time."""
    return Request(service=str(seconds)).SerializeToString()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel


async def last_word(stream: Any) -> grpc.StatusCode:  # noqa: ANN401 - grpc's call
    """Read a stream to its end, which comes after all that was sent; give its status."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            while await stream.read() is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def until_listening(runner: ServiceRunner) -> int:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await runner.started.wait()
    return runner.port


@pytest.mark.parametrize("service", ["", SERVICE])
async def test_health_says_when_to_send_calls_and_when_to_stop(service: str) -> None:
    runner = ServiceRunner(LOCAL, [Tiny().binding()], {})
    prepared = asyncio.Event()
    running = asyncio.create_task(runner.run(ready=[prepared]))

    async with connected(await until_listening(runner)) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        watch = stub.Watch(request)
        seen = [(await watch.read()).status]
        prepared.set()
        seen.append((await watch.read()).status)
        runner.stopping.set()
        seen.append((await watch.read()).status)
        checked = await stub.Check(request)
        watch.cancel()
    await running

    assert seen == [NOT_SERVING, SERVING, NOT_SERVING]
    assert checked.status == NOT_SERVING


async def code_of(call: Any) -> grpc.StatusCode:  # noqa: ANN401 - grpc's call
    """Wait for the end of a unary call; give its status."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_calls_are_taken_once_all_is_prepared() -> None:
    runner = ServiceRunner(LOCAL, [Tiny().binding()], {})
    store, bus = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(runner.run(ready=[store, bus]))

    async with connected(await until_listening(runner)) as channel:
        stub = TinyStub(channel)
        codes = [await code_of(stub.unary())]
        store.set()
        codes += [await code_of(stub.unary()), await last_word(stub.download())]
        codes.append(await code_of(stub.upload([b""])))
        bus.set()
        codes += [await code_of(stub.unary()), await last_word(stub.download())]
        bus.clear()  # what is there once is enough: later on, outages speak for themselves
        codes.append(await code_of(stub.unary()))
    runner.stopping.set()
    await running

    assert codes == [grpc.StatusCode.UNAVAILABLE] * 4 + [grpc.StatusCode.OK] * 3


@asynccontextmanager
async def black_hole(port: int) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Pass bytes to and from `port` until the event is set, then keep silent and close nothing."""
    silent = asyncio.Event()
    pumps: list[asyncio.Task[None]] = []
    ends: list[asyncio.StreamWriter] = []

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(65536):
            if not silent.is_set():
                target.write(piece)

    async def meet(near: asyncio.StreamReader, near_end: asyncio.StreamWriter) -> None:
        far, far_end = await asyncio.open_connection("127.0.0.1", port)
        ends.extend((near_end, far_end))
        pumps.extend(asyncio.create_task(pump(*way)) for way in ((near, far_end), (far, near_end)))

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], silent
    finally:
        server.close()
        for task in pumps:
            task.cancel()
        for end in ends:
            end.close()


async def test_the_calls_of_a_peer_that_vanished_are_given_up() -> None:
    begun, given_up = asyncio.Event(), asyncio.Event()

    async def wait(_request: Request, _context: Context) -> AsyncIterator[Response]:
        begun.set()
        try:
            await asyncio.Event().wait()
            yield Response()
        finally:
            given_up.set()

    # As in earnest, only twenty times as fast.
    hurried = {
        "grpc.keepalive_time_ms": 1000,
        "grpc.keepalive_timeout_ms": 500,
        "grpc.http2.ping_timeout_ms": 500,
    }
    options = [(name, hurried.get(name, value)) for name, value in OPTIONS]
    assert hurried.keys() < dict(OPTIONS).keys()
    server = grpc.aio.server(interceptors=[CallInterceptor({})], options=options)
    Tiny(download=wait).binding().bind(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with black_hole(port) as (near, silent), connected(near) as channel:
            call = TinyStub(channel).download()
            await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
            silent.set()

            await asyncio.wait_for(given_up.wait(), PATIENCE_SECONDS)

            call.cancel()
    finally:
        await server.stop(None)


async def test_reflection_lists_the_service_its_health_and_what_it_shows_for_others() -> None:
    runner = ServiceRunner(LOCAL, [Tiny().binding()], {}, also_reflected=["test.Other"])
    running = asyncio.create_task(runner.run())

    async with connected(await until_listening(runner)) as channel:
        stub = cast("Any", reflection_pb2_grpc.ServerReflectionStub)(channel)
        call = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
        listed = await call.read()
        call.cancel()
    runner.stopping.set()
    await running

    names = {service.name for service in listed.list_services_response.service}
    assert {SERVICE, "test.Other", "grpc.health.v1.Health"} <= names


async def test_sigterm_lets_a_running_call_finish_and_ends_with_status_0() -> None:
    async with child() as service:
        port = (await service.until("server_started"))["port"]
        await service.until("server_ready")
        async with connected(port) as channel:
            call = TinyStub(channel).unary(asking(1))
            await call.wait_for_connection()
            await asyncio.sleep(0.2)  # the call is under way

            service.stop()
            response = await call

        assert response.status == SERVING
        assert await service.ended() == (0, "")


async def test_a_call_that_outlasts_the_drain_is_cut_off_and_the_process_still_ends_well() -> None:
    async with child(DRAIN_SECONDS="1") as service:
        port = (await service.until("server_started"))["port"]
        async with connected(port) as channel:
            stream = TinyStub(channel).download()
            await stream.read()
            started = time.monotonic()

            service.stop()
            code = await last_word(stream)
            status, stderr = await service.ended()

        assert code is grpc.StatusCode.UNAVAILABLE
        # No task destroyed while pending, no transport left open, no coroutine never awaited.
        assert (status, stderr) == (0, "")
        assert time.monotonic() - started < 4


async def test_background_work_that_outlasts_the_drain_is_cancelled() -> None:
    async with child("slow", DRAIN_SECONDS="0.5") as service:
        await service.until("server_ready")

        service.stop()

        assert await service.ended() == (0, "")
    assert [line["work"] for line in service.log if line["event"] == "background_cancelled"] == [
        "Slow.run"
    ]


@pytest.mark.parametrize(
    ("background", "last_words"),
    [("failing", "LookupError: no such thing"), ("returning", "BackgroundEnded: Returning.run")],
)
async def test_background_work_that_ends_by_itself_ends_the_service_as_a_failure(
    background: str, last_words: str
) -> None:
    async with child(background, DRAIN_SECONDS="0.5") as service:
        status, stderr = await service.ended()

    assert status == 1
    assert last_words in stderr.splitlines()[-1]
    (line,) = [line for line in service.log if line["event"] == "background_ended"]
    assert line["level"] == "error"


@pytest.mark.parametrize("variable", ["GRPC_ADDRESS", "METRICS_ADDRESS"])
async def test_a_port_that_is_taken_is_a_loud_failure(variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with child(**{variable: f"127.0.0.1:{port}"}) as service:
            status, stderr = await service.ended()

    assert status == 1
    assert "address" in stderr.splitlines()[-1].lower()


async def test_metrics_are_served_with_the_codes_of_calls() -> None:
    async with child() as service:
        port = (await service.until("server_started"))["port"]
        async with connected(port) as channel:
            await TinyStub(channel).unary(asking(0))
            with pytest.raises(grpc.aio.AioRpcError):
                await TinyStub(channel).unary(b"\xff")

        async with httpx.AsyncClient(trust_env=False) as client:
            page = (await client.get(f"http://{service.metrics_address}/metrics")).text

        service.stop()
        assert await service.ended() == (0, "")
    for code in ("OK", "INVALID_ARGUMENT"):
        line = f'tonearm_rpc_seconds_count{{code="{code}",method="/{SERVICE}/Unary"}} 1.0'
        assert line in page
