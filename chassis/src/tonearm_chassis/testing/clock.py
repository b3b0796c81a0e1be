"""A clock that only moves when told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FakeClock:
    """A `Clock` that stands still; sleeping moves it."""

    def __init__(self, start: datetime = START) -> None:
        """Begin at `start`."""
        self._start = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        """Tell the time of day."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Tell the seconds since the start."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`."""
        self._elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        """Move on by `seconds` at once, letting others run."""
        self.advance(seconds)
        await asyncio.sleep(0)
