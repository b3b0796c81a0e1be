"""One caller's trial on a rig: what was accepted in it must keep the guarantee in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import psutil

from .caller import Caller, Library
from .customers import Market
from .history import History, Odd
from .judgement import Judgement
from .rig import CONVERTERS, Rig

END_SECONDS = 120.0
NOTICE_SECONDS = 60.0
LOOK_SECONDS = 0.05


class Trial:
    """A caller with a history of its own."""

    def __init__(self, rig: Rig, library: Library, directory: Path) -> None:
        self.rig = rig
        self.history = History(directory / "history.jsonl")
        self._library = library
        self._market = Market(directory)
        self.caller = Caller(rig.place, self.history, library, patience_seconds=END_SECONDS)

    async def __aenter__(self) -> Self:
        await self.caller.register()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.caller.close()
        self.history.close()

    async def upload(self, source: str) -> str:
        """Upload a video; its conversion will be judged."""
        conversion_id = await self.caller.upload(source)
        self._market.uploads[conversion_id] = (self.caller, source)
        return conversion_id

    async def uploads(self, sources: Iterable[str]) -> list[str]:
        """Upload several at once."""
        return list(await asyncio.gather(*(self.upload(source) for source in sources)))

    async def ended(self, *conversion_ids: str, seconds: float = END_SECONDS) -> list[str]:
        """Wait for the final states."""
        ends = [self.caller.ended(each, seconds=seconds) for each in conversion_ids]
        return [seen.state if seen else "UNKNOWN" for seen in await asyncio.gather(*ends)]

    async def worker_of(self, conversion_id: str) -> str:
        """Wait until ffmpeg works on the only conversion there is, and name the converter."""
        while (seen := await self.caller.get(conversion_id)) is not None:
            assert seen.state in ("QUEUED", "RUNNING"), "it was over before anybody looked"
            for name in CONVERTERS:
                if encoders(self.rig, name):
                    return name
            await asyncio.sleep(LOOK_SECONDS)
        raise AssertionError("it is unknown")

    async def findings(self) -> list[object]:
        """See everything to its end and list all that breaks the guarantee, or looks like a bug."""
        judgement = Judgement(
            self.history, self._market, self.rig.stack.mailbox, self.rig.endpoints
        )
        await judgement.ends(seconds=END_SECONDS)
        await judgement.notices(seconds=NOTICE_SECONDS)
        verdict = judgement.verdict(self._library.sources)
        assert verdict.conversions == len(self._market.uploads)
        return [*verdict.findings, *self.history.of(Odd)]


def encoders(rig: Rig, converter: str) -> list[psutil.Process]:
    """List the children of a converter, and theirs: ffmpeg, and what it started."""
    try:
        return psutil.Process(rig.state(converter).pid).children(recursive=True)
    except psutil.Error:
        return []
