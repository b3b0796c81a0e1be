"""How soon a conversion begins: from the answer to the upload to the first ffmpeg."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from .contestants import program
from .processes import descendants, runs
from .rows import Row, p99
from .running import Running, running
from .sizes import Size
from .sources import film, make_different

VIDEO_SECONDS = 2.0
LOOK_SECONDS = 0.002
LONGEST_SECONDS = 60.0
JOBS_A_TOKEN = 20
GOAL_MS = 100.0


def start(directory: Path, size: Size) -> Iterator[Row]:
    """Convert small videos one after the other, each on an idle stack."""
    video = film(directory, VIDEO_SECONDS)
    with running(directory) as stack:
        waits = [_wait_ms(stack, video, number) for number in range(size.small_jobs + 1)][1:]
    what = "ms from accepted to the first ffmpeg"
    yield Row("start_p50_ms", f"{what}, median of {len(waits)}", statistics.median(waits), None)
    yield Row("start_p99_ms", f"{what}, 99 of 100", p99(waits), GOAL_MS)


def _wait_ms(stack: Running, video: Path, number: int) -> float:
    """Upload, and look for ffmpeg below the converter as soon as the answer is there."""
    if number % JOBS_A_TOKEN == 0:
        stack.login()
    make_different(video, number)
    upload = stack.upload(video)
    begun = _first_seen(stack.pids["converter"], Path(program()).resolve())
    stack.await_success(upload)
    return (begun - upload.answered) * 1000


def _first_seen(converter: int, wanted: Path) -> float:
    deadline = time.perf_counter() + LONGEST_SECONDS
    while (now := time.perf_counter()) < deadline:
        if any(runs(pid, wanted) for pid in descendants(converter)):
            return now
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"no ffmpeg within {LONGEST_SECONDS:.0f} s")
