"""Measure, and compare with the goals.

    python -m tests.load.benchmarks [--only NAME] [--rounds 5]

One line for each figure: `BENCH name=... value=... goal=... met|short`. Exit status 1 if one is
short. Figures are ratios within the run, medians of `--rounds`; measure on a machine that does
nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "converter_service" / "tests" / "support"))

from . import engine  # noqa: E402 - found by the line above

BENCHMARKS = {"speed": engine.speed, "exact": engine.exact}


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", choices=["", *BENCHMARKS])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    is_met = True
    for name, benchmark in BENCHMARKS.items():
        if given.only not in ("", name):
            continue
        with tempfile.TemporaryDirectory() as directory:
            for row in benchmark(Path(directory), given.rounds):
                print(row, flush=True)
                is_met &= row.is_met
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
