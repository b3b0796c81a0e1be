"""What a desk is given to run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from converter_fakes import InMemoryClaimStore

from converter_service.domain import Claim, Failed, FailureReason, Setback
from tonearm_chassis.testing.clock import FakeClock


class Conversions:
    """What the desk is given to run: waits until told to finish."""

    def __init__(self, claims: InMemoryClaimStore, clock: FakeClock) -> None:
        self.claims = claims
        self.clock = clock
        self.running: list[Claim] = []
        self.finish = asyncio.Event()
        self.cancelled = 0
        self.crash: Exception | None = None
        self.started = asyncio.Condition()
        self.begun: Callable[[], object] = lambda: None

    async def __call__(self, claim: Claim) -> None:
        self.running.append(claim)
        self.begun()
        async with self.started:
            self.started.notify_all()
        try:
            await self.finish.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            await self.claims.release(claim, Setback.DRAINED)
            raise
        if self.crash:
            raise self.crash
        outcome = Failed(FailureReason.NO_AUDIO, "", self.clock.now())
        await self.claims.finish(claim, outcome)

    async def until(self, count: int) -> None:
        async with self.started:
            await self.started.wait_for(lambda: len(self.running) >= count)
