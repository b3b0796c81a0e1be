"""Send what is due, whatever carries it, and record what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from notifier_service.domain import (
    Attempt,
    Delivery,
    LeaseLost,
    NoticeDeferred,
    NoticeRefused,
    Patience,
)
from notifier_service.ports import DeliveryStore, Messenger
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

RECORD_MAX_PAUSE_SECONDS = 2.0
LATE = "it could not be handed over in time"
UNMADE = "the notice could not be made"
UNRECORDED = "the service could not reach its own records"


class Lease:
    """The hold on claimed deliveries while they are worked on."""

    def __init__(self, store: DeliveryStore, clock: Clock, seconds: float) -> None:
        """Hold for `seconds` beyond the death of this process."""
        self._store = store
        self._clock = clock
        self.seconds = seconds

    async def hold(self, claimed: Delivery, work: Coroutine[None, None, None]) -> None:
        """Do `work`, renewing the lease meanwhile, however long the store is away.

        Raises what `work` raises; `LeaseLost`, with `work` cancelled, once the delivery is not
        ours any more.
        """
        working, keeping = asyncio.create_task(work), asyncio.create_task(self._keep(claimed))
        try:
            await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await keeping
                raise LeaseLost(claimed.key)
            await working
        finally:
            working.cancel()
            keeping.cancel()
            await asyncio.wait({working, keeping})

    async def _keep(self, claimed: Delivery) -> None:
        held = True
        while held:
            await self._clock.sleep(self.seconds / 3)
            try:
                held = await self._store.renew(claimed, self.seconds)
            except Outage as outage:
                # Who cannot reach the store cannot tell; nor can anybody else claim.
                log.warning("lease_not_renewed", cause=str(outage))


class SendDelivery:
    """Try to hand over one claimed delivery."""

    def __init__(
        self,
        store: DeliveryStore,
        messenger: Messenger,
        *,
        lease: Lease,
        patience: Patience,
        clock: Clock,
    ) -> None:
        """Send what `store` gave out for the channel of `messenger`."""
        self._store = store
        self._messenger = messenger
        self._lease = lease
        self._patience = patience
        self._clock = clock

    async def __call__(self, delivery: Delivery) -> Attempt:
        """Send the notice and record what became of it, however long the store is away meanwhile.

        If the process dies in between, the delivery comes again when its lease is over, and goes
        out under the same key.
        """
        # Before it can be settled: the gateway asks no more for what it was told is settled.
        if delivery.unrecorded and not await self._branched(delivery):
            return await self._postpone(delivery, UNRECORDED)
        if self._patience.is_over(delivery, self._clock.now()):
            log.error("delivery_given_up", attempts=delivery.attempts)
            why = delivery.last_error or LATE
            return await self._settle(self._abandoned(delivery, why), Attempt.ABANDONED)
        try:
            await self._lease.hold(delivery, self._messenger.send(delivery))
        except LeaseLost:
            return Attempt.SUPERSEDED
        except NoticeRefused as refusal:
            log.warning("delivery_refused", attempts=delivery.attempts)
            return await self._settle(self._abandoned(delivery, str(refusal)), Attempt.ABANDONED)
        except NoticeDeferred as deferral:
            return await self._postpone(delivery, str(deferral), deferral.seconds)
        return await self._settle(delivery.delivered(self._clock.now()), Attempt.DELIVERED)

    async def _branched(self, delivery: Delivery) -> bool:
        try:
            await self._store.branch(delivery)
        except Outage as outage:
            log.warning("branch_waits", cause=str(outage))
            return False
        return True

    def _abandoned(self, delivery: Delivery, why: str) -> Delivery:
        return delivery.abandoned(self._clock.now(), why)

    async def stumble(self, delivery: Delivery) -> Attempt:
        """Put a delivery off that a bug of ours keeps from being sent."""
        return await self._postpone(delivery, UNMADE)

    async def _settle(self, settled: Delivery, attempt: Attempt) -> Attempt:
        return await self._recorded(lambda: self._store.settle(settled), attempt)

    async def _postpone(self, delivery: Delivery, why: str, asked_for: float = 0.0) -> Attempt:
        seconds = self._patience.pause_seconds(delivery.tries, asked_for)
        return await self._recorded(
            lambda: self._store.postpone(delivery, why, seconds), Attempt.POSTPONED
        )

    async def _recorded(self, write: Callable[[], Awaitable[bool]], attempt: Attempt) -> Attempt:
        # What is forgotten here is sent again, so a store that is away is waited for without end:
        # until it is back there is nothing else to do.
        async for trial in AsyncRetrying(
            retry=retry_if_exception_type(Outage),
            wait=wait_exponential(multiplier=0.1, max=RECORD_MAX_PAUSE_SECONDS),
            sleep=self._clock.sleep,
            before_sleep=_tell_wait,
        ):
            with trial:
                return attempt if await write() else Attempt.SUPERSEDED
        raise AssertionError("unreachable: the loop ends only with an answer")


def _tell_wait(state: RetryCallState) -> None:
    cause = state.outcome.exception() if state.outcome else None
    log.warning("record_waits", cause=str(cause))
