"""Run many schedules: `python -m tests.resilience.simulation --schedules 100000 --seed 1`."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import Schedule

BATCH = 250
STEPS = 30


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of the schedules that one seed makes."""

    seed: int
    schedules: int
    failure: str
    cause: str = ""


def run_batch(number: int, size: int = BATCH, *, shrink: bool = True) -> Batch:
    """Run the schedules that a seed makes: the same ones every time."""

    class Seeded(Schedule):
        """A schedule of this batch."""

        count = 0

    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    try:
        run_state_machine_as_test(
            seed(number)(Seeded),
            settings=settings(
                max_examples=size,
                stateful_step_count=STEPS,
                database=None,
                deadline=None,
                phases=phases,
                report_multiple_bugs=False,
                print_blob=False,
                verbosity=Verbosity.normal,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        cause = f"{type(error).__name__}: {error}"
        return Batch(number, Seeded.count, traceback.format_exc(), cause)
    return Batch(number, Seeded.count, "")


def batches(first: int, schedules: int, processes: int, *, shrink: bool) -> Iterator[Batch]:
    """Run batches from seed `first` on, until there are enough schedules."""
    seeds = range(first, first + -(-schedules // BATCH))
    run = partial(run_batch, shrink=shrink)
    if processes == 1:
        yield from map(run, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(run, seeds)


def main(arguments: list[str]) -> int:
    """Run, say how it went, and give the exit status: 1 if a schedule broke the guarantee."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--schedules", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--no-shrink", action="store_true")
    given = parser.parse_args(arguments)
    begun, done = time.monotonic(), 0
    for batch in batches(given.seed, given.schedules, given.processes, shrink=not given.no_shrink):
        done += batch.schedules
        if batch.failure:
            print(batch.failure)
            print(f"SIMULATION schedules={done} broken=1 seed={batch.seed} cause={batch.cause}")
            print(f"Again: make simulate SEED={batch.seed} SCHEDULES={BATCH}")
            return 1
    seconds = time.monotonic() - begun
    print(f"SIMULATION schedules={done} broken=0 seconds={seconds:.0f} seed={given.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
