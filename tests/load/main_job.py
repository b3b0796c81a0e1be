"""Measure the main job through Envoy: time, and peak memory of every Python process.

    python -m tests.load.main_job [--directory DIR]

Uploads a file of 16 MB, a ten-minute video of 300 MB and a file of 1 GB to one stack, in this
order, and prints after each how high each process's memory has been so far (Linux's VmHWM).
It needs about 6 GB of disk and stops by itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from media import make_large_video  # noqa: E402 - found by the line above
from rest_client import RestClient  # noqa: E402 - as above

from tonearm_local.stack import Stack  # noqa: E402 - kept with the others

PARTS = ("auth", "gateway", "converter", "notifier")
VIDEOS = (("16 MB", 32.0, 16), ("300 MB", 600.0, 300), ("1 GB", 2000.0, 1000))


def main() -> None:
    """Run the three uploads and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, help="where videos and data go")
    given = parser.parse_args().directory
    with tempfile.TemporaryDirectory(dir=given) as directory:
        measure(Path(directory))


def measure(directory: Path) -> None:
    """Measure each video on one stack."""
    with Stack(directory / "stack") as stack, RestClient(stack.url) as caller:
        caller.http.timeout = 600.0
        account = caller.register()
        with Sampler(stack) as sampler:
            print(f"{'start':>8}: {sampler.peaks()}")
            for name, seconds, megabytes in VIDEOS:
                video = make_large_video(
                    directory / "video.mp4", seconds=seconds, megabytes=megabytes
                )
                caller.login(account)
                print(f"{name:>8}: {times(caller, video)}")
                print(f"{'':>8}  {sampler.peaks()}", flush=True)


def times(caller: RestClient, video: Path) -> str:
    """Upload, wait and download; tell how long each took."""
    begun = time.perf_counter()
    accepted = caller.upload(video).json()["conversion"]["id"]
    uploaded = time.perf_counter()
    *_, last = caller.watch(accepted)
    converted = time.perf_counter()
    caller.download(accepted)
    ended = time.perf_counter()
    return (
        f"{video.stat().st_size / 1e6:.0f} MB {last['state']}: upload {uploaded - begun:.1f} s, "
        f"convert {converted - uploaded:.1f} s, download {ended - converted:.1f} s, "
        f"total {ended - begun:.1f} s"
    )


class Sampler:
    """Looks at the memory of the services and their children twenty times a second."""

    def __init__(self, stack: Stack) -> None:
        """Watch the four services of `stack`."""
        states = stack.states()
        self._services = {part: psutil.Process(states[part].pid) for part in PARTS}
        self._highest: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def peaks(self) -> str:
        """Tell the highest resident memory seen so far, process by process."""
        self._look()
        return ", ".join(
            f"{name} {highest / 1e6:.0f} MB" for name, highest in sorted(self._highest.items())
        )

    def _sample(self) -> None:
        while not self._stop.wait(0.05):
            self._look()

    def _look(self) -> None:
        for part, service in self._services.items():
            self._note(part, high_water_of(service))
            for child in service.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    self._note(f"{part}'s {child.name()}", child.memory_info().rss)

    def _note(self, name: str, size: int) -> None:
        self._highest[name] = max(size, self._highest.get(name, 0))


def high_water_of(process: psutil.Process) -> int:
    """Read the most resident memory that a process ever had, in bytes (proc(5), VmHWM)."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
