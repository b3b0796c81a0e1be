"""Rows of figures: for people a table, for programs one line each."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LONGEST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Row:
    """A figure and what it should be: at most `goal`, or at least, if `more_is_better`."""

    name: str
    value: float
    goal: float
    more_is_better: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the goal was reached."""
        return self.value >= self.goal if self.more_is_better else self.value <= self.goal

    def __str__(self) -> str:
        """Write the line for programs."""
        relation = ">=" if self.more_is_better else "<="
        met = "met" if self.is_met else "short"
        return f"BENCH name={self.name} value={self.value:.4g} goal={relation}{self.goal:g} {met}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took: seconds on the clock, and of all processors."""

    wall_seconds: float
    cpu_seconds: float


def cost(command: Sequence[str]) -> Cost:
    """Run a command to its end, its output thrown away. Raises `CalledProcessError`."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command,
        check=True,
        timeout=LONGEST_SECONDS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def alternate(rounds: int, *actions: Callable[[], Cost]) -> list[list[Cost]]:
    """Take turns, so that what else the machine does hits all alike; after one round for warmth."""
    for action in actions:
        action()
    turns = [[action() for action in actions] for _ in range(rounds)]
    return [list(costs) for costs in zip(*turns, strict=True)]


def ratio(ours: Sequence[Cost], theirs: Sequence[Cost], what: Callable[[Cost], float]) -> float:
    """Divide round by round, and take the median."""
    pairs = zip(ours, theirs, strict=True)
    return statistics.median(what(one) / what(other) for one, other in pairs)
