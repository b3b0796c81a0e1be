"""One run of chaos: drills and a storm of faults over a steady load, then quiet, then judgement."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from .auditing import audit
from .caller import Caller, Library
from .checker import Verdict
from .customers import Customer, Market
from .drills import BEFORE, Drill, Ground, hold
from .every_point import AFTER
from .faults import Arena
from .figures import SHOWN, last_line, table, trouble_table
from .history import History, Odd
from .judgement import Judgement
from .points import POINTS
from .rig import Rig
from .sources import make_sources
from .storm import Plan, Storm
from .tally import Tally

END_SECONDS = 240.0
NOTICE_SECONDS = 120.0
AUDIT_SECONDS = 240.0
AUDIT_GRACE_SECONDS = 30
PROGRESS_SECONDS = 20.0
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
        self._tally = Tally(directory / "faults.jsonl")
        self._arena = Arena(rig, small_disks)
        self._failed_drills: list[str] = []
        self._is_over = False

    async def whole(self) -> bool:
        """Run it all, print tables and last line, and tell whether nothing was wrong."""
        directory = self._directory / "videos"
        library = Library(directory, await asyncio.to_thread(make_sources, directory))
        self._market.directory.mkdir(exist_ok=True)
        judgement = Judgement(
            self._history, self._market, self._rig.stack.mailbox, self._rig.endpoints
        )
        newcomer = partial(Caller, self._rig.place, self._history, library)
        async with AsyncExitStack() as stack:
            await self._rage(stack, newcomer)
            await judgement.ends(seconds=END_SECONDS)
            await judgement.notices(seconds=NOTICE_SECONDS)
        verdict = judgement.verdict(library.sources)
        address = self._rig.stack.mongodb_uri
        findings = await asyncio.to_thread(
            audit, address, grace_seconds=AUDIT_GRACE_SECONDS, seconds=AUDIT_SECONDS
        )
        troubles = self._troubles(findings)
        self._print(verdict, troubles)
        return verdict.is_clean and not any(troubles.values())

    async def _rage(self, stack: AsyncExitStack, newcomer: Callable[[], Caller]) -> None:
        """Let customers, drills and faults loose, and wait until all have had enough."""
        customers = [
            Customer(
                await stack.enter_async_context(newcomer()),
                self._market,
                random.Random(f"{self._plan.seed} {number}"),
            )
            for number in range(self._plan.customers)
        ]
        ground = await self._ground(stack, newcomer)
        storm = Storm(self._arena, self._plan, self._tally)
        async with asyncio.TaskGroup() as group:
            for customer in customers:
                group.create_task(customer.run(self._is_enough))
            telling = group.create_task(self._tell())
            self._failed_drills += await hold(ground, self._planned(BEFORE))
            await storm.run()
            # Those who are still at it must not wait for what nobody would put right.
            await asyncio.to_thread(self._rig.calm)
            self._failed_drills += await hold(ground, self._planned(AFTER))
            self._is_over = True
            telling.cancel()

    async def _ground(self, stack: AsyncExitStack, newcomer: Callable[[], Caller]) -> Ground:
        chance = random.Random(f"{self._plan.seed} drills")
        caller = await stack.enter_async_context(newcomer())
        customer = Customer(caller, self._market, chance)
        return Ground(self._arena, self._market, self._tally, customer, newcomer, chance)

    def _planned(self, drills: Mapping[str, Drill]) -> Iterable[tuple[str, Drill]]:
        return [(name, drill) for name, drill in drills.items() if name in self._plan.drills]

    def _is_enough(self) -> bool:
        return self._is_over and len(self._market.uploads) >= self._plan.conversions

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            ended = sum(1 for job in self._market.jobs if job.ended)
            print(
                f"  {len(self._tally.strikes)} faults, {len(self._market.uploads)} conversions, "
                f"{ended} jobs ended, {len(self._market.gave_up)} given up",
                flush=True,
            )

    def _troubles(self, findings: Sequence[str]) -> dict[str, list[str]]:
        """List all that must not be, beside what the checker finds."""
        struck, wanted = len(self._tally.strikes), self._plan.faults
        odd = [f"{each.request} {each.status} {each.text}" for each in self._history.of(Odd)]
        return {
            "odd answer": odd,
            "given up": self._market.gave_up,
            "failed drill": self._failed_drills,
            "too few faults": [] if struck >= wanted else [f"{struck} of {wanted}"],
            "audit": list(findings),
        }

    def _print(self, verdict: Verdict, troubles: Mapping[str, Sequence[str]]) -> None:
        market, tally = self._market, self._tally
        print(table(tally.strikes, market.jobs))
        print("customers: " + ", ".join(f"{n} {what}" for what, n in market.wishes.most_common()))
        left = tally.never_reached
        print(f"failpoints: killed at {len(POINTS) - len(left)} of {len(POINTS)}; {_few(left)}")
        for each in verdict.findings[:SHOWN]:
            print(f"{each.fault}: {each.conversion_id} {each.what}")
        print(trouble_table(troubles))
        print(f"AUDIT findings={len(troubles['audit'])}")
        print(last_line(tally.strikes, market.jobs, verdict, self._plan.seed), flush=True)


def _few(names: Sequence[str]) -> str:
    more = ["..."] if len(names) > FEW else []
    return f"not at {', '.join([*names[:FEW], *more])}" if names else "at all of them"
