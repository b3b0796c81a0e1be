"""Wait in the background for a time to come, or for somebody to call."""

from __future__ import annotations

import asyncio


class Alarm:
    """A `Waker`, and what the one who is woken waits with."""

    def __init__(self) -> None:
        """Begin silent."""
        self._ringing = asyncio.Event()

    def wake(self) -> None:
        """Let `wait` return at once, now or the next time."""
        self._ringing.set()

    async def wait(self, stopping: asyncio.Event, seconds: float) -> None:
        """Return when woken, when `stopping` is set, or after `seconds`."""
        waits = [asyncio.create_task(each.wait()) for each in (self._ringing, stopping)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        self._ringing.clear()
