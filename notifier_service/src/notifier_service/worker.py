"""The doors that no caller knocks at: requests from Kafka, and deliveries that are due."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from notifier_service import metrics, wire
from notifier_service.domain import Attempt, Channel, Delivery
from notifier_service.ports import DeliveryStore
from notifier_service.use_cases.notices import (
    ForgetConversion,
    RequestNotice,
    SweepTombstones,
)
from notifier_service.use_cases.send import Lease, SendDelivery
from tonearm_chassis import tracing
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

POLL_SECONDS = 1.0
SETTLED = frozenset({Attempt.DELIVERED, Attempt.ABANDONED})


class NotificationWorker:
    """An `EventHandler` for tonearm.notifications.v1."""

    def __init__(self, request_notice: RequestNotice, forget_conversion: ForgetConversion) -> None:
        """Apply events with these use cases."""
        self._request_notice = request_notice
        self._forget_conversion = forget_conversion

    async def __call__(self, envelope: Envelope) -> None:
        """Record what the event asks for; a repeat makes no second notice.

        Raises `MalformedEvent` for a type that is not known here.
        """
        if envelope.type == wire.DELETED:
            await self._forget_conversion(wire.deleted(envelope))
        else:
            await self._request_notice(wire.notice(envelope))


class TombstoneSweeper:
    """A `Background` that sweeps tombstones now and then."""

    def __init__(self, sweep: SweepTombstones, *, every_seconds: float) -> None:
        """Sweep at once and then every so many seconds."""
        self._sweep = sweep
        self._every_seconds = every_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep until `stopping` is set; a store that is away is swept next time."""
        while not stopping.is_set():
            try:
                await self._sweep()
            except Outage as outage:
                log.warning("sweep_waits", cause=str(outage))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._every_seconds)


@dataclass(frozen=True, slots=True)
class Lane:
    """A channel, how many of its deliveries may be under way at once, and how often to look.

    One account has at most `at_once_each` of the places, so that what hangs on it leaves some.
    """

    channel: Channel
    at_once: int
    at_once_each: int
    poll_seconds: float = POLL_SECONDS


class Sender:
    """A `Background` that sends what is due on one channel: when woken, else every second.

    Each channel has a sender of its own, so that what is slow on one holds up no other.
    """

    def __init__(
        self,
        store: DeliveryStore,
        send: SendDelivery,
        lane: Lane,
        *,
        lease: Lease,
        on_settled: Callable[[], None],
    ) -> None:
        """Claim the lane's from `store`.

        `on_settled` is called when there is something to tell the gateway.
        """
        self._store = store
        self._send = send
        self._channel = lane.channel
        self._lease = lease
        self._on_settled = on_settled
        self._poll_seconds = lane.poll_seconds
        self._at_once_each = lane.at_once_each
        self._places: Counter[str] = Counter()
        self._free = asyncio.Semaphore(lane.at_once)
        self._woken = asyncio.Event()
        # By key: what is under way here is never claimed again, even if its lease has run out
        # because the store was away. It is sent already, or will be.
        self._running: dict[str, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Look for due deliveries now: one was just recorded."""
        self._woken.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until `stopping` is set, then finish what is under way.

        What is cancelled meanwhile is sent again when its lease is over.
        """
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                self._woken.clear()
                await self._start_due(stopping)
                await self._pause(stop)
            await asyncio.gather(*self._running.values(), return_exceptions=True)
        finally:
            stop.cancel()
            for task in self._running.values():
                task.cancel()

    async def _start_due(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self._free.acquire()
            delivery = None if stopping.is_set() else await self._claim()
            if delivery is None:
                self._free.release()
                return
            task = asyncio.create_task(self._attempt(delivery))
            self._running[delivery.key] = task
            self._places[delivery.notice.account_id] += 1
            task.add_done_callback(partial(self._finished, delivery))

    async def _claim(self) -> Delivery | None:
        try:
            return await self._store.claim(
                self._channel,
                self._lease.seconds,
                self._running.keys(),
                [each for each, places in self._places.items() if places >= self._at_once_each],
            )
        except Outage as outage:
            log.warning("sender_waits", channel=self._channel.value, cause=str(outage))
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
            metrics.ATTEMPT_SECONDS.labels(self._channel.value).time(),
        ):
            (attempt,) = await asyncio.gather(self._send(delivery), return_exceptions=True)
            if isinstance(attempt, BaseException):
                # One that cannot be sent must not keep back the others, nor come at once.
                log.error("attempt_failed", exc_info=attempt)
                metrics.ATTEMPTS.labels(self._channel.value, "failed").inc()
                await self._send.stumble(delivery)
                return
            log.info("delivery_attempted", result=attempt.value)
        metrics.ATTEMPTS.labels(self._channel.value, attempt.value).inc()
        if attempt in SETTLED:
            self._on_settled()

    def _finished(self, delivery: Delivery, task: asyncio.Task[None]) -> None:
        account_id = delivery.notice.account_id
        if self._places[account_id] >= self._at_once_each:
            self.wake()  # what was passed over may be due
        self._running.pop(delivery.key)
        self._places -= Counter([account_id])
        self._free.release()
        if not task.cancelled() and (bug := task.exception()):
            log.error("attempt_lost", exc_info=bug)

    async def _pause(self, stop: asyncio.Task[bool]) -> None:
        woken = asyncio.create_task(self._woken.wait())
        await asyncio.wait(
            [woken, stop], timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        woken.cancel()
