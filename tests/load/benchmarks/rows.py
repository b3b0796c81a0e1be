"""Rows of figures: for people a table, for programs one line each."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LONGEST_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Row:
    """A figure and what it should be: at most `goal`, or at least, if `more_is_better`.

    `what` says it to people. A row without a goal is there to understand the others by. The plot
    has those that are shares of somebody else's time.
    """

    name: str
    what: str
    value: float
    goal: float | None
    more_is_better: bool = False
    is_share_of_time: bool = False

    @property
    def verdict(self) -> str:
        """Tell whether the goal was reached: met, short, or none if there is no goal."""
        if self.goal is None:
            return "none"
        is_met = self.value >= self.goal if self.more_is_better else self.value <= self.goal
        return "met" if is_met else "short"

    @property
    def wanted(self) -> str:
        """Write the goal."""
        relation = ">=" if self.more_is_better else "<="
        return "none" if self.goal is None else f"{relation}{self.goal:g}"

    def __str__(self) -> str:
        """Write the line for programs."""
        figure = f"value={self.value:.4g} goal={self.wanted}"
        return f"BENCH name={self.name} {figure} {self.verdict}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took: seconds on the clock, and of all processors."""

    wall_seconds: float
    cpu_seconds: float = 0.0


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


def wall(one: Cost) -> float:
    """Look at the clock."""
    return one.wall_seconds


def cpu(one: Cost) -> float:
    """Look at the processors."""
    return one.cpu_seconds


def ratio(ours: Sequence[Cost], theirs: Sequence[Cost], what: Callable[[Cost], float]) -> float:
    """Divide round by round, and take the median."""
    pairs = zip(ours, theirs, strict=True)
    return statistics.median(what(one) / what(other) for one, other in pairs)


def p99(values: Sequence[float]) -> float:
    """Tell the value that 99 of 100 do not exceed: the nearest rank, so always one that was."""
    return sorted(values)[-(-99 * len(values) // 100) - 1]
