"""One run of chaos: a storm of faults over a steady load, then quiet, then judgement."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from tonearm_local.supervision import Away

from .auditing import audit
from .caller import Caller, Library
from .checker import Fault, Verdict
from .customers import Customer, Job, Market
from .faults import KINDS, Arena, Kind, NoFault, Strike
from .history import History, Odd
from .judgement import Judgement
from .rig import Rig
from .sources import make_sources

AT_ONCE = 4
END_SECONDS = 240.0
MAIL_SECONDS = 120.0
AUDIT_SECONDS = 240.0
AUDIT_GRACE_SECONDS = 30
PROGRESS_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be like; the same plan draws the same faults in the same order."""

    seed: int
    faults: int
    conversions: int = 0
    rate: float = 1.0
    customers: int = 6
    only: tuple[str, ...] = ()


class ChaosRun:
    """A run over a rig that has been started."""

    def __init__(
        self, rig: Rig, plan: Plan, directory: Path, small_disks: tuple[str, ...] = ()
    ) -> None:
        self._rig = rig
        self._plan = plan
        self._directory = directory
        self._arena = Arena(rig, small_disks)
        self.history = History(directory / "history.jsonl")
        self._strikes: list[Strike] = []
        self._market = Market(directory / "audio")
        self._storm_over = False

    async def whole(self) -> bool:
        """Run it all, print table and last line, and tell whether the guarantee held."""
        directory = self._directory / "videos"
        library = Library(directory, await asyncio.to_thread(make_sources, directory))
        self._market.directory.mkdir(exist_ok=True)
        async with AsyncExitStack() as stack:
            callers = [
                await stack.enter_async_context(Caller(self._rig.stack.url, self.history, library))
                for _ in range(self._plan.customers)
            ]
            await self._storm(callers)
            judgement = Judgement(self.history, self._market, self._rig.stack.mailbox)
            await judgement.ends(seconds=END_SECONDS)
            await judgement.mails(seconds=MAIL_SECONDS)
        verdict = judgement.verdict(library.sources)
        findings = await asyncio.to_thread(
            audit,
            self._rig.stack.mongodb_uri,
            grace_seconds=AUDIT_GRACE_SECONDS,
            seconds=AUDIT_SECONDS,
        )
        self._print(verdict, findings)
        return verdict.is_clean and not findings and len(self._strikes) >= self._plan.faults

    async def _storm(self, callers: Sequence[Caller]) -> None:
        chance = random.Random(self._plan.seed)
        customers = [
            Customer(caller, self._market, random.Random(chance.random())) for caller in callers
        ]
        async with asyncio.TaskGroup() as group:
            for customer in customers:
                group.create_task(customer.run(self._enough))
            group.create_task(self._tell())
            try:
                await self._strike_all(chance)
            finally:
                self._storm_over = True
            # Those who are still at it must not wait for a part that nobody starts.
            await asyncio.to_thread(self._rig.calm)

    def _enough(self) -> bool:
        return self._storm_over and len(self._market.uploads) >= self._plan.conversions

    async def _strike_all(self, chance: random.Random) -> None:
        kinds = [kind for kind in KINDS if self._is_possible(kind)]
        weights = [kind.weight for kind in kinds]
        places = asyncio.Semaphore(AT_ONCE)
        # Bounded even if nothing ever strikes.
        most = self._plan.faults * 3 + 10
        async with asyncio.TaskGroup() as group:
            for _ in range(most):
                if len(self._strikes) >= self._plan.faults:
                    break
                (kind,) = chance.choices(kinds, weights)
                drawn = random.Random(chance.random())
                await places.acquire()
                task = group.create_task(self._strike(kind, drawn))
                task.add_done_callback(lambda _: places.release())
                await asyncio.sleep(drawn.uniform(0.5, 1.5) / self._plan.rate)

    def _is_possible(self, kind: Kind) -> bool:
        if self._plan.only and kind.name not in self._plan.only:
            return False
        there = {*self._rig.stores, *(["small-disk"] if self._arena.small_disks else [])}
        return not kind.needs or kind.needs in there

    async def _strike(self, kind: Kind, chance: random.Random) -> None:
        try:
            await kind.strike(self._arena, chance, self._note)
        except (NoFault, Away) as nothing:
            self._log("nothing", {"kind": kind.name, "why": str(nothing)})

    def _note(self, strike: Strike) -> None:
        self._strikes.append(strike)
        self._log("fault", asdict(strike))

    def _log(self, what: str, entry: dict[str, object]) -> None:
        with (self._directory / "faults.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, **entry}) + "\n")

    async def _tell(self) -> None:
        while not self._enough():
            await asyncio.sleep(PROGRESS_SECONDS)
            ended = sum(1 for job in self._market.jobs if job.ended)
            print(
                f"  {len(self._strikes)} faults, {len(self._market.uploads)} conversions, "
                f"{ended} jobs ended, {len(self._market.gave_up)} given up",
                flush=True,
            )

    def _print(self, verdict: Verdict, findings: Sequence[str]) -> None:
        recoveries = {id(s): recovery(s, self._market.jobs) for s in self._strikes}
        print(table(self._strikes, [recoveries[id(each)] for each in self._strikes]))
        print("customers: " + ", ".join(f"{k} {n}" for k, n in self._market.wishes.most_common()))
        for odd in self.history.of(Odd)[:20]:
            print(f"odd answer: {odd.request} {odd.status} {odd.text}")
        for trouble in self._market.gave_up[:20]:
            print(f"given up: {trouble}")
        for finding in verdict.findings[:50]:
            print(f"{finding.fault}: {finding.conversion_id} {finding.what}")
        for line in findings[:50]:
            print(f"audit: {line}")
        print(f"AUDIT findings={len(findings)}")
        known = [each for each in recoveries.values() if each is not None]
        print(
            f"CHAOS faults={len(self._strikes)} conversions={verdict.conversions} "
            f"lost={verdict.count(Fault.LOST)} duplicated={verdict.count(Fault.DUPLICATED)} "
            f"partial={verdict.count(Fault.PARTIAL)} recovery_p50_s={percentile(known, 50):.1f} "
            f"recovery_p99_s={percentile(known, 99):.1f} seed={self._plan.seed}",
            flush=True,
        )


def recovery(strike: Strike, jobs: Sequence[Job]) -> float | None:
    """Tell how long the jobs that a fault befell took after it; None if there were none."""
    ends = [
        job.ended - strike.ended
        for job in jobs
        if job.begun <= strike.ended and job.ended > strike.begun
    ]
    return max(0.0, *ends) if ends else None


def percentile(values: Sequence[float], percent: int) -> float:
    """Tell the value that so many per cent do not exceed; 0 of none."""
    if len(values) < 2:
        return max(values, default=0.0)
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def table(strikes: Sequence[Strike], recoveries: Sequence[float | None]) -> str:
    """Put the faults into a table, a line a kind."""
    by_kind: defaultdict[str, list[float]] = defaultdict(list)
    counts: defaultdict[str, int] = defaultdict(int)
    for strike, seconds in zip(strikes, recoveries, strict=True):
        counts[strike.kind] += 1
        if seconds is not None:
            by_kind[strike.kind].append(seconds)
    lines = [f"{'fault':<20} {'count':>6} {'p50 s':>7} {'p99 s':>7}"]
    lines += [
        f"{kind:<20} {counts[kind]:>6} {percentile(by_kind[kind], 50):>7.1f} "
        f"{percentile(by_kind[kind], 99):>7.1f}"
        for kind in sorted(counts)
    ]
    return "\n".join(lines)
