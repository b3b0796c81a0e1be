"""See every accepted conversion to its end, and judge what its owner saw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .caller import Caller, GaveUp
from .checker import Told, Verdict, check
from .customers import Market, fetch
from .endpoints import Endpoints
from .evidence import TOLD
from .history import Asked, History, Seen, Source, read_mails

AT_ONCE = 8


class Judgement:
    """The end of a run: what became of everything that was accepted."""

    def __init__(
        self, history: History, market: Market, mailbox: Path, endpoints: Endpoints
    ) -> None:
        self._history = history
        self._market = market
        self._mailbox = mailbox
        self._endpoints = endpoints

    async def ends(self, *, seconds: float) -> None:
        """Look at every conversion until it is over, and download what succeeded once more."""
        deadline = time.monotonic() + seconds
        places = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(
            *(
                self._see_end(caller, conversion_id, places, deadline)
                for conversion_id, (caller, _) in self._market.uploads.items()
            )
        )

    async def notices(self, *, seconds: float) -> None:
        """Wait until each conversion of which one must be told has had a mail and a webhook."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            mails = await asyncio.to_thread(read_mails, self._mailbox)
            mailed = {mail.conversion_id for mail in mails}
            taken = {hook.conversion_id for hook in self._endpoints.hooks if hook.taken}
            if not self._to_be_told() - (mailed & taken):
                return
            await asyncio.sleep(0.5)

    def verdict(self, sources: Mapping[str, Source]) -> Verdict:
        """Judge."""
        told = Told(read_mails(self._mailbox), self._endpoints.hooks)
        return check(self._history, sources, told, self._market.sounds)

    async def _see_end(
        self, caller: Caller, conversion_id: str, places: asyncio.Semaphore, deadline: float
    ) -> None:
        async with places:
            with suppress(GaveUp):
                left = max(1.0, deadline - time.monotonic())
                seen = await caller.ended(conversion_id, seconds=left)
                if seen is not None and seen.state == "SUCCEEDED":
                    await fetch(caller, self._market, seen)

    def _to_be_told(self) -> set[str]:
        deleted = {each.conversion_id for each in self._history.of(Asked) if each.what == "delete"}
        told = {each.conversion_id for each in self._history.of(Seen) if each.state in TOLD}
        return told - deleted
