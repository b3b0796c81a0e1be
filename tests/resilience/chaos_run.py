"""One run of chaos: a storm of faults over a steady load, then quiet, then judgement."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from .auditing import audit
from .caller import Caller, Library
from .checker import Verdict
from .customers import Customer, Market
from .faults import Arena
from .figures import last_line, table
from .history import History, Odd
from .judgement import Judgement
from .points import POINTS
from .rig import Rig
from .sources import make_sources
from .storm import Plan, Storm

END_SECONDS = 240.0
MAIL_SECONDS = 120.0
AUDIT_SECONDS = 240.0
AUDIT_GRACE_SECONDS = 30
PROGRESS_SECONDS = 20.0
SHOWN = 50
FEW = 8


class ChaosRun:
    """A run over a rig that has been started."""

    def __init__(
        self, rig: Rig, plan: Plan, directory: Path, small_disks: tuple[str, ...] = ()
    ) -> None:
        self._rig = rig
        self._plan = plan
        self._directory = directory
        self._history = History(directory / "history.jsonl")
        self._market = Market(directory / "audio")
        self._storm = Storm(Arena(rig, small_disks), plan, directory / "faults.jsonl")
        self._is_over = False

    async def whole(self) -> bool:
        """Run it all, print table and last line, and tell whether the guarantee held."""
        directory = self._directory / "videos"
        library = Library(directory, await asyncio.to_thread(make_sources, directory))
        self._market.directory.mkdir(exist_ok=True)
        judgement = Judgement(self._history, self._market, self._rig.stack.mailbox)
        async with AsyncExitStack() as stack:
            callers = [Caller(self._rig.stack.url, self._history, library) for _ in self._places()]
            for caller in callers:
                await stack.enter_async_context(caller)
            await self._rage(callers)
            await judgement.ends(seconds=END_SECONDS)
            await judgement.mails(seconds=MAIL_SECONDS)
        verdict = judgement.verdict(library.sources)
        address = self._rig.stack.mongodb_uri
        findings = await asyncio.to_thread(
            audit, address, grace_seconds=AUDIT_GRACE_SECONDS, seconds=AUDIT_SECONDS
        )
        self._print(verdict, findings)
        was_enough = len(self._storm.strikes) >= self._plan.faults
        return verdict.is_clean and not findings and was_enough

    def _places(self) -> range:
        return range(self._plan.customers)

    async def _rage(self, callers: Sequence[Caller]) -> None:
        """Let customers and faults loose, and wait until both have had enough."""
        async with asyncio.TaskGroup() as group:
            for number, caller in enumerate(callers):
                chance = random.Random(f"{self._plan.seed} {number}")
                group.create_task(Customer(caller, self._market, chance).run(self._is_enough))
            telling = group.create_task(self._tell())
            await self._storm.run()
            # Those who are still at it must not wait for what nobody would put right.
            await asyncio.to_thread(self._rig.calm)
            self._is_over = True
            telling.cancel()

    def _is_enough(self) -> bool:
        return self._is_over and len(self._market.uploads) >= self._plan.conversions

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            ended = sum(1 for job in self._market.jobs if job.ended)
            print(
                f"  {len(self._storm.strikes)} faults, {len(self._market.uploads)} conversions, "
                f"{ended} jobs ended, {len(self._market.gave_up)} given up",
                flush=True,
            )

    def _print(self, verdict: Verdict, findings: Sequence[str]) -> None:
        market, storm = self._market, self._storm
        print(table(storm.strikes, market.jobs))
        print("customers: " + ", ".join(f"{n} {what}" for what, n in market.wishes.most_common()))
        left = storm.never_reached
        print(f"failpoints: killed at {len(POINTS) - len(left)} of {len(POINTS)}; {_few(left)}")
        troubles = [
            *(f"odd answer: {odd.request} {odd.status} {odd.text}" for odd in self._odd()),
            *(f"given up: {trouble}" for trouble in market.gave_up),
            *(f"{each.fault}: {each.conversion_id} {each.what}" for each in verdict.findings),
            *(f"audit: {line}" for line in findings),
        ]
        for line in troubles[:SHOWN]:
            print(line)
        print(f"AUDIT findings={len(findings)}")
        print(last_line(storm.strikes, market.jobs, verdict, self._plan.seed), flush=True)

    def _odd(self) -> list[Odd]:
        return self._history.of(Odd)


def _few(names: Sequence[str]) -> str:
    more = ["..."] if len(names) > FEW else []
    return f"not at {', '.join([*names[:FEW], *more])}" if names else "at all of them"
