"""Repeat what an outage made fail, for as long as that makes sense."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage, StorageFull

# The claim is kept meanwhile, and whoever would take over stands before the same closed door.
PATIENCE_SECONDS = 600.0
LONGEST_PAUSE_SECONDS = 5.0

T = TypeVar("T")


async def patiently(clock: Clock, action: Callable[[], Awaitable[T]]) -> T:
    """Repeat `action` through an outage of up to ten minutes, then raise it.

    A full disk is no such outage: another worker may have room, and this slot serves others.
    """
    begin = clock.monotonic()

    def is_over(_: RetryCallState) -> bool:
        return clock.monotonic() - begin >= PATIENCE_SECONDS

    async for attempt in AsyncRetrying(
        retry=retry_if_exception(_may_pass),
        stop=is_over,
        wait=wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE_SECONDS),
        sleep=clock.sleep,
        reraise=True,
    ):
        with attempt:
            return await action()
    raise Outage  # pragma: no cover - the loop above returns or raises


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Outage) and not isinstance(error, StorageFull)
