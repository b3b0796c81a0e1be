"""Decide which conversions this worker runs, and run as many at a time as it has slots."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import assert_never

import structlog

from converter_service import metrics
from converter_service.domain import Claim, ConversionId, Order
from converter_service.ports import ClaimStore, Standing
from converter_service.use_cases.suspicion import Suspicion
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

SWEEP_SECONDS = 2.0
LOOK_PAST = 20


class Desk:
    """Takes orders while slots are free and leaves the rest to whoever is free first.

    A `Background`: run it for conversions that others left or abandoned.
    """

    def __init__(
        self,
        claims: ClaimStore,
        convert: Callable[[Claim], Awaitable[None]],
        suspicion: Suspicion,
        *,
        slots: int,
    ) -> None:
        """Run `convert` for at most `slots` claims at a time, fewer while there is `suspicion`."""
        self._claims = claims
        self._convert = convert
        self._suspicion = suspicion
        self._slots = slots
        self._taken = 0
        self._running: dict[asyncio.Task[None], ConversionId] = {}
        self._is_open = True
        self._freed = asyncio.Event()
        metrics.SLOTS.set(slots)

    @property
    def running(self) -> int:
        """Tell how many slots are taken."""
        return self._taken

    @property
    def slots(self) -> int:
        """Tell how many slots there are."""
        return self._slots

    async def take(self, order: Order) -> None:
        """Convert, or see to it that somebody does, or repeat how it ended.

        Returns once that is durable, long before the conversion is over; a repeat changes nothing.
        Raises `Outage`.
        """
        standing: Claim | Standing | None
        if self._is_open and self._free:
            standing = await self._claim(order)
        else:
            standing = await self._claims.leave(order)
        match standing:
            case Standing.OVER:
                await self._claims.announce_end(order.conversion_id, order.fence_floor)
                result = "over"
            case Standing.HELD:
                result = "held"
            case None:
                result = "left"
            case Claim():
                result = "claimed"
            case _:
                assert_never(standing)
        metrics.ORDERS.labels(result).inc()
        log.info("order_taken", result=result)

    async def stop(self, conversion_id: ConversionId) -> None:
        """End what this worker does about a conversion; returns once its processes are gone."""
        tasks = [task for task, running in self._running.items() if running == conversion_id]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def run(self, stopping: asyncio.Event) -> None:
        """Pick up what is due until `stopping` is set, then let running conversions finish.

        When cancelled meanwhile, ends them and gives their claims back.
        """
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                await self._sweep()
                await self._pause(stop)
            self._is_open = False
            while self._running:
                await asyncio.wait(list(self._running))
        finally:
            self._is_open = False
            stop.cancel()
            running = list(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _pause(self, stop: asyncio.Task[bool]) -> None:
        freed = asyncio.create_task(self._freed.wait())
        await asyncio.wait(
            [stop, freed], timeout=SWEEP_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        freed.cancel()
        self._freed.clear()

    async def _sweep(self) -> None:
        try:
            while self._free and await self._claim_oldest():
                pass
        except Outage as outage:
            log.warning("sweep_waits", cause=str(outage))

    async def _claim_oldest(self) -> bool:
        """Claim what is due while there is a free slot; tell whether anything was claimed."""
        # A few more than fit, because others look at the same ones at the same time.
        orders = await self._claims.due(self._free + LOOK_PAST)
        if self._suspicion.is_raised:
            orders.sort(key=lambda order: self._suspicion.has_failed(order.conversion_id))
        has_claimed = False
        for order in orders:
            if not self._free:
                break
            has_claimed |= isinstance(await self._claim(order), Claim)
        return has_claimed

    @property
    def _free(self) -> int:
        return max(0, self._suspicion.slots(self._slots) - self._taken)

    async def _claim(self, order: Order) -> Claim | Standing | None:
        """Claim with a slot in hand; leave the order if the last slot went meanwhile."""
        if not self._free:
            return await self._claims.leave(order)
        self._take_slot(1)
        try:
            claim = await self._claims.claim(order, uuid.uuid4().hex)
        except BaseException:
            self._take_slot(-1)
            raise
        if isinstance(claim, Claim):
            self._start(claim)
        else:
            self._take_slot(-1)
        return claim

    def _start(self, claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(
            conversion_id=claim.order.conversion_id, fence=claim.fence
        ):
            task = asyncio.create_task(self._carry_out(claim))
        self._running[task] = claim.order.conversion_id
        task.add_done_callback(self._ended)

    async def _carry_out(self, claim: Claim) -> None:
        is_crash = True
        try:
            await self._convert(claim)
            is_crash = False
        except asyncio.CancelledError:
            is_crash = False  # the claim is given back already
            raise
        finally:
            if is_crash:
                await self._give_up(claim)

    async def _give_up(self, claim: Claim) -> None:
        """After a crash of our own code: count it, so that it is not repeated for ever."""
        setback = self._suspicion.failed(claim.order.conversion_id)
        try:
            await self._claims.release(claim, setback)
        except Outage as outage:
            log.warning("release_failed", cause=str(outage))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._take_slot(-1)
        self._freed.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("conversion_crashed", exc_info=error)

    def _take_slot(self, count: int) -> None:
        self._taken += count
        metrics.RUNNING.set(self._taken)
