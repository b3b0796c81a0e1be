"""Work for as long as the claim is held."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from converter_service.domain import Claim
from converter_service.ports import ClaimStore
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

# With the time that the engine takes to end, whatever was called off is gone within 2 s.
LOOK_SECONDS = 1.0

T = TypeVar("T")


class Holding:
    """Renews claims, and looks every second whether they were lost or called off."""

    def __init__(self, clock: Clock, claims: ClaimStore, *, lease_seconds: float) -> None:
        """Renew three times a lease."""
        self._clock = clock
        self._claims = claims
        self._renew_seconds = lease_seconds / 3

    async def during(self, claim: Claim, work: Coroutine[Any, Any, T]) -> T:
        """Do `work`; raises `ClaimLost`, and has ended the work, if the claim is lost first."""
        working = asyncio.create_task(work)
        keeping = asyncio.create_task(self._keep(claim))
        try:
            await asyncio.wait([working, keeping], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await keeping  # it ends in no other way than by raising
            return await working
        finally:
            working.cancel()
            keeping.cancel()
            await asyncio.gather(working, keeping, return_exceptions=True)

    async def _keep(self, claim: Claim) -> None:
        """Look and renew until the store says that the claim is lost.

        An outage of the store is no reason to stop: nobody else can claim either, and every write
        is refused that comes too late.
        """
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(min(LOOK_SECONDS, self._renew_seconds))
            asked = self._clock.monotonic()
            try:
                if asked - renewed >= self._renew_seconds:
                    await self._claims.renew(claim)
                    renewed = asked
                else:
                    await self._claims.look(claim)
            except Outage as outage:
                log.warning("renewal_failed", cause=str(outage))
