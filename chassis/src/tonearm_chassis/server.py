"""Build and run a gRPC server with health, reflection, limits and drain."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from tonearm_chassis.interceptors import CallInterceptor
from tonearm_chassis.logs import get_log
from tonearm_chassis.settings import ServiceSettings
from tonearm_chassis.status import StatusTable

log = get_log(__name__)

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 1000),
    ("grpc.max_metadata_size", 16 * 1024),
    # A peer that vanished without a word is noticed: its calls are cancelled, its uploads given up.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # a minute by default, whatever the keepalive says
    ("grpc.http2.max_pings_without_data", 0),
    # Envoy pings idle connections; without these two the server answers GOAWAY "Too many pings".
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A port that is taken is an error, not a second server that shares it.
    ("grpc.so_reuseport", 0),
    # What a fast sender may have under way to a slow reader. Left to itself, gRPC measures the
    # loopback and widens this until a large upload costs tens of megabytes.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1024 * 1024),
)


NOTICE_SHARE = 0.1  # of the drain: how long new calls are still taken
CANCEL_SECONDS = 2.0  # what is cancelled and still there is left behind


class BackgroundEnded(Exception):
    """Background work returned although nobody had told it to stop."""


class Background(Protocol):
    """Something that runs beside the server: a consumer, a relay, a reconciler."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until `stopping` is set, then finish what is under way and return.

        Is cancelled if that takes longer than the drain. An exception ends the whole service with
        a non-zero status: whoever supervises it starts it again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Binding:
    """A servicer and the full name of the service it implements."""

    name: str
    bind: Callable[[grpc.aio.Server], None]


class ServiceRunner:
    """A service's server and background work, from start to drain."""

    def __init__(
        self,
        settings: ServiceSettings,
        bindings: Sequence[Binding],
        table: StatusTable,
        *,
        also_reflected: Sequence[str] = (),
    ) -> None:
        """Build the server; `also_reflected` names services of others to show by reflection."""
        self._settings = settings
        self._names = [binding.name for binding in bindings]
        self._ready = asyncio.Event()
        self.stopping = asyncio.Event()
        self._server = grpc.aio.server(
            interceptors=[CallInterceptor(table, self._ready, self.stopping)], options=OPTIONS
        )
        self._health = health_aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for binding in bindings:
            binding.bind(self._server)
        if settings.reflection:
            reflection.enable_server_reflection(
                [*self._names, *also_reflected, "grpc.health.v1.Health", reflection.SERVICE_NAME],
                self._server,
            )
        self.started = asyncio.Event()
        """Set once the server listens; `port` is its port from then on."""
        self.port = 0

    async def run(
        self,
        background: Sequence[Background] = (),
        ready: Sequence[asyncio.Event] = (),
    ) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        Once every event in `ready` is set, health says SERVING and calls are taken; before that
        they are answered with UNAVAILABLE. Raises whatever background work raised, after stopping
        the rest; work that returns before it was told to is a bug, and raises as well.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        try:
            await self._start()
            await self._work(background, ready)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def _start(self) -> None:
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        # Raises RuntimeError if the port is taken.
        self.port = self._server.add_insecure_port(self._settings.grpc_address)
        await self._server.start()
        self.started.set()
        log.info("server_started", address=self._settings.grpc_address, port=self.port)

    async def _work(self, background: Sequence[Background], ready: Sequence[asyncio.Event]) -> None:
        work = [asyncio.create_task(each.run(self.stopping)) for each in background]
        becoming_ready = asyncio.create_task(self._become_ready(ready))
        try:
            ended_early = await self._until_stopping(work)
        finally:
            becoming_ready.cancel()
            await asyncio.wait([becoming_ready])
            await self._drain(work)
        for task in work:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error
        if ended_early:
            raise BackgroundEnded(", ".join(ended_early))

    async def _become_ready(self, ready: Sequence[asyncio.Event]) -> None:
        for event in ready:
            await event.wait()
        self._ready.set()
        await self._say(health_pb2.HealthCheckResponse.SERVING)
        log.info("server_ready")

    async def _until_stopping(self, work: Sequence[asyncio.Task[None]]) -> list[str]:
        """Wait for the signal, or for background work to end; name what ended without one."""
        stop = asyncio.create_task(self.stopping.wait())
        await asyncio.wait([stop, *work], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        ended = [] if self.stopping.is_set() else [task for task in work if task.done()]
        for task in ended:
            error = None if task.cancelled() else task.exception()
            log.error("background_ended", work=_name(task), exc_info=error)
        self.stopping.set()
        return [_name(task) for task in ended]

    async def _drain(self, work: Sequence[asyncio.Task[None]]) -> None:
        drain_seconds = self._settings.drain_seconds
        log.info("drain_started", seconds=drain_seconds)
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        await asyncio.gather(
            self._stop_serving(drain_seconds), self._stop_working(work, drain_seconds)
        )
        log.info("drain_finished")

    async def _stop_serving(self, seconds: float) -> None:
        # Whoever checks health gets the chance to see it and to send new calls elsewhere, before
        # they are refused.
        notice = seconds * NOTICE_SHARE
        await asyncio.sleep(notice)
        await self._server.stop(seconds - notice)

    async def _stop_working(self, work: Sequence[asyncio.Task[None]], seconds: float) -> None:
        late: set[asyncio.Task[None]] = set(work)
        if late:
            _, late = await asyncio.wait(late, timeout=seconds)
        for task in late:
            log.warning("background_cancelled", work=_name(task))
            task.cancel()
        if late:
            _, late = await asyncio.wait(late, timeout=CANCEL_SECONDS)
        for task in late:
            log.error("background_stuck", work=_name(task))

    async def _say(self, status: int) -> None:
        for name in ("", *self._names):
            await self._health.set(name, status)


def _name(task: asyncio.Task[None]) -> str:
    return getattr(task.get_coro(), "__qualname__", task.get_name())
