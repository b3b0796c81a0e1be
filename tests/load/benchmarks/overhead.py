"""What a conversion costs beside ffmpeg: the services, and the Python around each ffmpeg."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .contestants import program
from .processes import GONE, descendants, looking, runs, spent
from .rows import Row
from .running import Running, running
from .sizes import Size
from .sources import film, make_different

LOOK_SECONDS = 0.01
GOAL = 0.05


@dataclass(frozen=True, slots=True)
class Bill:
    """CPU seconds of one job."""

    services: float
    python: float
    children: float

    @property
    def share(self) -> float:
        """Tell what share of all is not ffmpeg's; the stores, Kafka and Envoy are in neither."""
        return (self.services + self.python) / (self.services + self.children)


def overhead(directory: Path, size: Size) -> Iterator[Row]:
    """Convert ten minutes on the stack, and see who was busy."""
    video = film(directory, size.long_seconds)
    with running(directory) as stack:
        bills = [_bill(stack, video, number) for number in range(size.rounds + 1)][1:]
    what = "10 min MP4 on the stack: CPU seconds"
    for name, who, values in (
        ("services", "the four services", [bill.services for bill in bills]),
        ("python", "Python beside each ffmpeg", [bill.python for bill in bills]),
        ("all", "all of it", [bill.services + bill.children for bill in bills]),
    ):
        yield Row(f"cpu_{name}_s", f"{what}, {who}", statistics.median(values), None)
    share = statistics.median(bill.share for bill in bills)
    yield Row("cpu_outside_ffmpeg", f"{what} outside ffmpeg, of all", share, GOAL)


def _bill(stack: Running, video: Path, number: int) -> Bill:
    make_different(video, number)
    stack.login()
    python = PythonWatch(stack.pids["converter"])
    before = stack.services_spent()
    with looking(python.look, seconds=LOOK_SECONDS):
        upload = stack.upload(video)
        stack.await_success(upload)
        after = stack.services_spent()
    stack.clear(upload)
    return Bill(after.own - before.own, python.seconds, after.reaped - before.reaped)


class PythonWatch:
    """Remembers what the descendants of a process have spent before they became ffmpeg, or ended.

    That is seen when it is looked at, so the last look before an end is what counts. A process id
    is used again only after tens of thousands of others.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._program = Path(program()).resolve()
        self._latest: dict[int, float] = {}

    @property
    def seconds(self) -> float:
        """Add up what was seen."""
        return sum(self._latest.values())

    def look(self) -> None:
        """Look at all that are no ffmpeg now."""
        for pid in descendants(self._pid):
            if runs(pid, self._program):
                continue
            try:
                self._latest[pid] = spent(pid).own
            except GONE:
                continue
