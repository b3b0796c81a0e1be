"""Put a run of chaos into figures: what struck, how long recovery took, and the last line."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from .checker import Verdict
from .customers import Job
from .evidence import Fault
from .faults import Strike

SHOWN = 50


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


def table(strikes: Sequence[Strike], jobs: Sequence[Job]) -> str:
    """Put the faults into a table, a line a kind: how many, how long until all went on."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    counts: defaultdict[str, int] = defaultdict(int)
    for strike in strikes:
        counts[strike.kind] += 1
        if (taken := recovery(strike, jobs)) is not None:
            seconds[strike.kind].append(taken)
    lines = [f"{'fault':<20} {'count':>6} {'p50 s':>7} {'p99 s':>7}"]
    lines += [
        f"{kind:<20} {counts[kind]:>6} {percentile(seconds[kind], 50):>7.1f} "
        f"{percentile(seconds[kind], 99):>7.1f}"
        for kind in sorted(counts)
    ]
    return "\n".join(lines)


def trouble_table(troubles: Mapping[str, Sequence[str]]) -> str:
    """Put what else went wrong into a table, a line a kind, and then each by itself."""
    lines = [f"{'trouble':<20} {'count':>6}"]
    lines += [f"{kind:<20} {len(troubles[kind]):>6}" for kind in troubles]
    for kind, those in troubles.items():
        lines += [f"{kind}: {each}" for each in those[:SHOWN]]
    return "\n".join(lines)


def last_line(strikes: Sequence[Strike], jobs: Sequence[Job], verdict: Verdict, seed: int) -> str:
    """Say it for programs."""
    known = [taken for strike in strikes if (taken := recovery(strike, jobs)) is not None]
    return (
        f"CHAOS faults={len(strikes)} conversions={verdict.conversions} "
        f"lost={verdict.count(Fault.LOST)} duplicated={verdict.count(Fault.DUPLICATED)} "
        f"partial={verdict.count(Fault.PARTIAL)} recovery_p50_s={percentile(known, 50):.1f} "
        f"recovery_p99_s={percentile(known, 99):.1f} seed={seed}"
    )
