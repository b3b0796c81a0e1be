"""Time as a dependency, so that tests need not wait for it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What use cases know of time."""

    def now(self) -> datetime:
        """Tell the time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Tell seconds since some fixed moment; never runs backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Tell the time of day, in UTC, cut to milliseconds as MongoDB stores it."""
        moment = datetime.now(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Tell seconds since some fixed moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""
        await asyncio.sleep(seconds)
