"""Prepare what a service stands on before it says that it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

MAX_PAUSE_SECONDS = 2.0


class Preparation:
    """A `Background` that runs steps once, waiting for a store that is still starting.

    Each step must bear being repeated. Any error but `Outage` ends the service.
    """

    def __init__(self, *steps: Callable[[], Awaitable[None]]) -> None:
        """Run `steps` in this order."""
        self._steps = steps
        self.done = asyncio.Event()
        """Set once all steps are done."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Prepare, then wait for `stopping`, which also ends a preparation under way."""
        stop = asyncio.create_task(stopping.wait())
        preparing = asyncio.create_task(self._prepare())
        try:
            await asyncio.wait({preparing, stop}, return_when=asyncio.FIRST_COMPLETED)
            if preparing.done():
                await preparing
                await stop
        finally:
            preparing.cancel()
            stop.cancel()
            await asyncio.wait({preparing, stop})

    async def _prepare(self) -> None:
        for step in self._steps:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(Outage),
                wait=wait_random_exponential(multiplier=0.1, max=MAX_PAUSE_SECONDS),
                before_sleep=_say_what_is_missing,
            ):
                with attempt:
                    await step()
        self.done.set()


class Afterwards:
    """A `Background` that begins once a preparation is done, because it builds on that."""

    def __init__(
        self, preparation: Preparation, background: Callable[[asyncio.Event], Awaitable[None]]
    ) -> None:
        """Call `background`, the `run` of another one, after `preparation`."""
        self._preparation = preparation
        self._background = background

    async def run(self, stopping: asyncio.Event) -> None:
        """Wait, then run; stopping ends the waiting, too."""
        waits = [asyncio.create_task(each.wait()) for each in (self._preparation.done, stopping)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        if self._preparation.done.is_set():
            await self._background(stopping)


def _say_what_is_missing(state: RetryCallState) -> None:
    cause = state.outcome.exception() if state.outcome else None
    log.warning("preparation_waits", cause=str(cause))
