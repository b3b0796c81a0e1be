"""A steady load: customers who upload, wait, call off, delete, ask again, and listen."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from .caller import Caller, GaveUp
from .history import Seen, Sound
from .sources import decode

END_SECONDS = 300.0
"""Who waits for longer gives up. Calls have less patience: it is the work that takes its time."""
SHARES = {
    "short.mp4": 40,
    "clip.mp4": 22,
    "song.m4a": 12,
    "lecture.m4a": 6,
    "truncated.mp4": 5,
    "noise.mp4": 5,
    "film.mp4": 5,
    "list.mp4": 5,
}
WISHES = {
    "wait": 60,
    "watch": 15,
    "cancel": 10,
    "delete": 6,
    "cancel and delete": 3,
    "end and delete": 2,
    "peep": 4,
}


@dataclass(slots=True)
class Job:
    """One upload, from its first byte to its conversion's end; times since the epoch."""

    begun: float
    ended: float = 0.0


@dataclass
class Market:
    """What all customers share: the record of their jobs, and what they heard."""

    directory: Path
    jobs: list[Job] = field(default_factory=list)
    sounds: dict[str, Sound] = field(default_factory=dict)
    wishes: Counter[str] = field(default_factory=Counter)
    gave_up: list[str] = field(default_factory=list)
    uploads: dict[str, tuple[Caller, str]] = field(default_factory=dict)
    """Whose a conversion is, and of what."""

    async def listen(self, sha256: str, audio: bytes) -> None:
        """Decode an audio that nobody has heard yet."""
        if sha256 in self.sounds:
            return
        file = self.directory / f"{sha256}.mp3"
        await asyncio.to_thread(file.write_bytes, audio)
        self.sounds[sha256] = await asyncio.to_thread(decode, file)


class Customer:
    """One of them; does as `chance` says until told to stop."""

    def __init__(self, caller: Caller, market: Market, chance: Random) -> None:
        self._caller = caller
        self._market = market
        self._chance = chance

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Make one job after the other."""
        while not is_over():
            (source,) = self._chance.choices(list(SHARES), list(SHARES.values()))
            (wish,) = self._chance.choices(list(WISHES), list(WISHES.values()))
            await self.job(source, wish)
            await asyncio.sleep(self._chance.uniform(0, 1))

    async def job(self, source: str, wish: str) -> None:
        """Upload a video and do with its conversion what `WISHES` has."""
        job = Job(time.time())
        self._market.jobs.append(job)
        try:
            await self._job(source, wish)
        except GaveUp as trouble:
            self._market.gave_up.append(str(trouble))
        job.ended = time.time()

    async def _job(self, source: str, wish: str) -> None:
        conversion_id = await self._caller.upload(source)
        self._market.uploads[conversion_id] = (self._caller, source)
        self._market.wishes[wish] += 1
        seen = await self._follow(conversion_id, wish)
        if seen is None:
            return
        if seen.state == "SUCCEEDED":
            await fetch(self._caller, self._market, seen)
        elif self._chance.random() < (0.6 if seen.state == "CANCELLED" else 0.1):
            await self._again(conversion_id, source)
        if wish in ("cancel and delete", "end and delete"):
            await self._caller.delete(conversion_id)
            await self._caller.get(conversion_id)

    async def _follow(self, conversion_id: str, wish: str) -> Seen | None:
        caller, chance = self._caller, self._chance
        if wish == "watch":
            await caller.watch(conversion_id)
        elif wish == "peep":
            # Once it has been heard it must be SUCCEEDED.
            if (early := await caller.download(conversion_id)) is not None:
                await self._market.listen(*early)
            await caller.get(conversion_id)
        elif wish in ("cancel", "cancel and delete"):
            await asyncio.sleep(chance.uniform(0, 1.5))
            await caller.cancel(conversion_id)
        elif wish == "delete":
            await asyncio.sleep(chance.uniform(0, 1.5))
            if await caller.delete(conversion_id):
                await caller.get(conversion_id)
                return None
        return await caller.ended(conversion_id, seconds=END_SECONDS)

    async def _again(self, conversion_id: str, source: str) -> None:
        repeated = await self._caller.retry(conversion_id, source)
        if repeated is None:
            return
        self._market.wishes["retry"] += 1
        self._market.uploads[repeated] = (self._caller, source)
        seen = await self._caller.ended(repeated, seconds=END_SECONDS)
        if seen is not None and seen.state == "SUCCEEDED":
            await fetch(self._caller, self._market, seen)


async def fetch(caller: Caller, market: Market, seen: Seen) -> None:
    """Download what succeeded, and listen to it."""
    downloaded = await caller.download(seen.conversion_id)
    if downloaded is not None:
        await market.listen(*downloaded)
