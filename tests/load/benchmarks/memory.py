"""How much memory a conversion takes, however long its video is."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .processes import looking, memory_bytes
from .rows import Row
from .sizes import Size
from .sources import LOOP_SECONDS, endless_film

ROOT = Path(__file__).parents[3]
LOOK_SECONDS = 0.02
LONGEST_SECONDS = 3600.0
RATIO_GOAL, MEGABYTES_GOAL = 1.1, 150.0


def memory(directory: Path, size: Size) -> Iterator[Row]:
    """Convert one minute several times, and ten hours once: that takes minutes, and varies less."""
    minute = endless_film(directory, LOOP_SECONDS)
    short = statistics.median(_peak_megabytes(minute) for _ in range(size.rounds))
    hours = endless_film(directory, size.longest_seconds)
    long = _peak_megabytes(hours)
    what = "peak memory of all processes of a conversion, MB"
    yield Row("memory_1min_mb", f"{what}: 1 min", short, None)
    yield Row("memory_10h_mb", f"{what}: 10 h", long, MEGABYTES_GOAL)
    yield Row("memory_10h_ratio", "peak memory, 10 h against 1 min", long / short, RATIO_GOAL)


def _peak_megabytes(source: Path) -> float:
    peak = 0
    command = [sys.executable, "-m", "tests.load.benchmarks.engine_job", str(source)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as job:

        def look() -> None:
            nonlocal peak
            peak = max(peak, memory_bytes(job.pid))

        with looking(look, seconds=LOOK_SECONDS):
            status = job.wait(LONGEST_SECONDS)
    if status:
        raise subprocess.CalledProcessError(status, command)
    return peak / 1e6
