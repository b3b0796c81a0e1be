"""Run many schedules: `python -m tests.resilience.simulation --schedules 100000 --seed 1`."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from functools import partial

# Not here: processes that are spawned know no `__main__` of a package.
from .batch import BATCH, Batch, run_batch

REPORT = 10_000


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
        if done // REPORT > (done - batch.schedules) // REPORT:
            print(f"... {done} schedules", file=sys.stderr, flush=True)
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
