"""Measure, and compare with the goals.

    python -m tests.load.benchmarks [--only NAME] [--quick]

One line for each figure: `BENCH name=... value=... goal=... met|short|none`. Exit status 1 if one
is short. Figures are ratios within the run, medians of five rounds; measure on a machine that does
nothing else: the load average is printed, and it is for the reader to say what it spoils. A whole
run writes docs/performance.md. `--quick` has toy sizes: its figures mean nothing, and go nowhere.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
for support in (ROOT / "converter_service" / "tests" / "support", ROOT / "tests" / "support"):
    sys.path.insert(0, str(support))

from . import report  # noqa: E402 - found by the lines above, as what follows
from .conditions import conditions, load  # noqa: E402 - as above
from .engine import exact, speed  # noqa: E402 - as above
from .machine import machine  # noqa: E402 - as above
from .memory import memory  # noqa: E402 - as above
from .overhead import overhead  # noqa: E402 - as above
from .peers import peers  # noqa: E402 - as above
from .quality import quality  # noqa: E402 - as above
from .rows import Row  # noqa: E402 - as above
from .sizes import FULL, QUICK, Size  # noqa: E402 - as above
from .start import start  # noqa: E402 - as above
from .whole_job import whole_job  # noqa: E402 - as above

BENCHMARKS: dict[str, Callable[[Path, Size], Iterator[Row]]] = {
    "machine": machine,
    "speed": speed,
    "peers": peers,
    "exact": exact,
    "quality": quality,
    "memory": memory,
    "job": whole_job,
    "overhead": overhead,
    "start": start,
}


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[*BENCHMARKS], help="one of them; default: all")
    parser.add_argument("--quick", action="store_true", help="toy sizes, to try the benchmarks")
    given = parser.parse_args()
    # A stack that runs is ended, and its files are removed, on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    is_whole = not given.only and not given.quick
    if is_whole:  # sooner than after half an hour
        report.require_place(report.DOCS)
    measured = conditions()
    print(f"# {measured}", flush=True)
    rows, took = measure([given.only] if given.only else [*BENCHMARKS], _size(quick=given.quick))
    if is_whole:
        report.write(report.DOCS, rows, measured, took)
    return 1 if any(row.verdict == "short" for row in rows) else 0


def measure(names: list[str], size: Size) -> tuple[list[Row], dict[str, float]]:
    """Run benchmarks one after the other; tell what they found, and how long each took."""
    rows: list[Row] = []
    took: dict[str, float] = {}
    for name in names:
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as directory:
            for row in BENCHMARKS[name](Path(directory), size):
                print(row, flush=True)
                rows.append(row)
        took[name] = time.perf_counter() - begin
        print(f"# {name}: {took[name]:.0f} s, load {load():.1f}", flush=True)
    return rows, took


def _size(*, quick: bool) -> Size:
    return QUICK if quick else FULL


if __name__ == "__main__":
    sys.exit(main())
