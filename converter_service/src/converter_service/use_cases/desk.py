"""Decide which conversions this worker runs, and run as many at a time as it has slots."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import assert_never

import structlog

from converter_service import metrics
from converter_service.domain import Claim, ConversionId, DueOrder, Order
from converter_service.ports import ClaimStore, Standing
from converter_service.use_cases.suspicion import Suspicion
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

SWEEP_SECONDS = 2.0
LOOK_PAST = 20
FIRST_HOLD_SECONDS = 60.0


def is_held_back(waited_seconds: float) -> bool:
    """Tell whether nobody else is taken by now for the sake of one that has waited so long.

    It is so for a minute, then not so for a minute, then for two, and so on: a conversion of hours
    delays others by half of its time at most, and what waits for its end gets its turn.
    """
    length = FIRST_HOLD_SECONDS
    while waited_seconds >= 2 * length:
        waited_seconds -= 2 * length
        length *= 2
    return waited_seconds < length


class Desk:
    """Takes orders while slots are free and leaves the rest to whoever is free first.

    What is suspected of killing workers is converted alone: once it is the oldest that is due,
    nothing is taken that is younger until what runs here has ended, or somebody else has taken it.
    As that may last, others get their turn again for as long; see `is_held_back`.

    A `Background`: run it for conversions that others left or abandoned.
    """

    def __init__(
        self,
        claims: ClaimStore,
        convert: Callable[[Claim], Awaitable[None]],
        suspicion: Suspicion,
        *,
        slots: int,
        hold: Callable[[float], bool] = is_held_back,
    ) -> None:
        """Run `convert` for at most `slots` claims at a time, fewer while there is `suspicion`.

        `hold` tells whether others still wait for what goes alone and waited so many seconds.
        """
        self._claims = claims
        self._convert = convert
        self._suspicion = suspicion
        self._slots = slots
        self._hold = hold
        self._taken = 0
        self._is_alone = False
        self._holds_back = False
        self._waits_since: float | None = None
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
        if self._is_open and self._free and not self._holds_back:
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
        due = await self._claims.due(self._free + LOOK_PAST)
        if self._suspicion.is_raised:
            due.sort(key=lambda each: self._suspicion.has_failed(each.order.conversion_id))
        self._holds_back = self._is_to_hold_back(due)
        has_claimed = False
        for each in due:
            if not self._free or (each.goes_alone and self._taken and self._holds_back):
                break
            if each.goes_alone and self._taken:
                continue
            claim = await self._claim(each.order, is_alone=each.goes_alone)
            has_claimed |= isinstance(claim, Claim)
        return has_claimed

    def _is_to_hold_back(self, due: Sequence[DueOrder]) -> bool:
        """Tell whether others must wait for what goes alone."""
        if not any(each.goes_alone for each in due):
            self._waits_since = None
            return False
        now = asyncio.get_running_loop().time()
        if self._waits_since is None:
            self._waits_since = now
        return self._hold(now - self._waits_since)

    @property
    def _free(self) -> int:
        if self._is_alone:
            return 0
        return max(0, self._suspicion.slots(self._slots) - self._taken)

    async def _claim(self, order: Order, *, is_alone: bool = False) -> Claim | Standing:
        """Claim with a slot in hand, or with the whole desk."""
        self._take_slot(1)
        self._is_alone = is_alone
        try:
            claim = await self._claims.claim(order, uuid.uuid4().hex, is_alone=is_alone)
        except BaseException:
            self._free_slot()
            raise
        if isinstance(claim, Claim):
            self._start(claim)
        else:
            self._free_slot()
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
        self._free_slot()
        self._freed.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("conversion_crashed", exc_info=error)

    def _free_slot(self) -> None:
        self._take_slot(-1)
        self._is_alone = False  # beside who is alone there is nobody to free a slot

    def _take_slot(self, count: int) -> None:
        self._taken += count
        metrics.RUNNING.set(self._taken)
