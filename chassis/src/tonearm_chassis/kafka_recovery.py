"""Let a service make good what was lost with a broker, as soon as there is one again."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

MAX_PAUSE_SECONDS = 2.0

Hook = Callable[[], Awaitable[None] | None]
"""What a service does then, async or not; a repeat must do no harm."""


class Recovery:
    """Calls a hook each time it is due, for as long as that takes."""

    def __init__(self, hook: Hook) -> None:
        """Call `hook`."""
        self._hook = hook
        self.due = asyncio.Event()
        """Set it, in the loop, to have the hook called soon."""

    async def run(self) -> None:
        """Wait and recover, until cancelled. A hook that fails is logged: others still count."""
        while True:
            await self.due.wait()
            self.due.clear()
            log.warning("bus_recovered")
            try:
                await self._call()
            except Exception:
                log.exception("recovery_failed")

    async def _call(self) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Outage),
            wait=wait_random_exponential(multiplier=0.1, max=MAX_PAUSE_SECONDS),
        ):
            with attempt:
                result = self._hook()
                if inspect.isawaitable(result):
                    await result
