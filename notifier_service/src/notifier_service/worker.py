"""The doors that no caller knocks at: requests from Kafka, and deliveries that are due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from notifier_service import metrics, wire
from notifier_service.domain import Attempt, Delivery
from notifier_service.ports import DeliveryStore
from notifier_service.use_cases import RequestNotice, SendDelivery
from tonearm_chassis import tracing
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

POLL_SECONDS = 1.0
SETTLED = frozenset({Attempt.DELIVERED, Attempt.ABANDONED})


class NotificationWorker:
    """An `EventHandler` for tonearm.notifications.v1."""

    def __init__(self, request_notice: RequestNotice) -> None:
        """Apply events with this use case."""
        self._request_notice = request_notice

    async def __call__(self, envelope: Envelope) -> None:
        """Record what the event asks for; a repeat makes no second mail."""
        await self._request_notice(wire.notice(envelope))


class Sender:
    """A `Background` that sends what is due: at once when woken, else every second."""

    def __init__(
        self,
        store: DeliveryStore,
        send: SendDelivery,
        *,
        lease_seconds: float,
        at_once: int,
        on_settled: Callable[[], None],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Claim from `store` and have `at_once` mails under way at most.

        A lease must outlast an attempt, or the mail goes out twice. `on_settled` is called when
        there is something to tell the gateway.
        """
        self._store = store
        self._send = send
        self._lease_seconds = lease_seconds
        self._on_settled = on_settled
        self._poll_seconds = poll_seconds
        self._free = asyncio.Semaphore(at_once)
        self._woken = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look for due deliveries now: one was just recorded."""
        self._woken.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until `stopping` is set, then finish the mails under way.

        What is cancelled meanwhile is sent again when its lease is over.
        """
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                self._woken.clear()
                await self._start_due(stopping)
                await self._pause(stop)
            await asyncio.gather(*self._running, return_exceptions=True)
        finally:
            stop.cancel()
            for task in self._running:
                task.cancel()

    async def _start_due(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self._free.acquire()
            delivery = await self._claim()
            if delivery is None:
                self._free.release()
                return
            task = asyncio.create_task(self._attempt(delivery))
            self._running.add(task)
            task.add_done_callback(self._finished)

    async def _claim(self) -> Delivery | None:
        try:
            return await self._store.claim(self._lease_seconds)
        except Outage as outage:
            log.warning("sender_waits", cause=str(outage))
            return None

    async def _attempt(self, delivery: Delivery) -> None:
        carrier = {"traceparent": delivery.notice.traceparent}
        context = {
            "conversion_id": delivery.notice.conversion_id,
            "delivery_id": delivery.key,
            "attempts": delivery.attempts,
        }
        with (
            tracing.span("send_delivery", carrier) as trace_id,
            structlog.contextvars.bound_contextvars(trace_id=trace_id, **context),
            metrics.ATTEMPT_SECONDS.time(),
        ):
            try:
                attempt = await self._send(delivery)
            except Outage as outage:
                log.warning("attempt_not_recorded", cause=str(outage))
                metrics.ATTEMPTS.labels("unrecorded").inc()
                return
            log.info("delivery_attempted", result=attempt.value)
        metrics.ATTEMPTS.labels(attempt.value).inc()
        if attempt in SETTLED:
            self._on_settled()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._free.release()
        if not task.cancelled() and (bug := task.exception()):
            # One mail that cannot be sent must not keep back the others; its lease is its pause.
            log.error("attempt_failed", exc_info=bug)
            metrics.ATTEMPTS.labels("failed").inc()

    async def _pause(self, stop: asyncio.Task[bool]) -> None:
        woken = asyncio.create_task(self._woken.wait())
        await asyncio.wait(
            [woken, stop], timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        woken.cancel()
