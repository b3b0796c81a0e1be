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
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from media import make_large_video  # noqa: E402 - found by the line above
from rest_client import RestClient  # noqa: E402

from tonearm_local.stack import Stack  # noqa: E402

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
        print(f"{'start':>8}: {peaks(stack)}")
        for name, seconds, megabytes in VIDEOS:
            video = make_large_video(
                directory / "video.mp4", seconds=seconds, megabytes=megabytes
            )
            caller.login(account)
            print(f"{name:>8}: {times(caller, video)}")
            print(f"{'':>8}  {peaks(stack)}")


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


def peaks(stack: Stack) -> str:
    """Tell each service's highest memory so far, its child processes of this moment included."""
    states = stack.states()
    return ", ".join(f"{part} {peak_of(states[part].process_id)}" for part in PARTS)


def peak_of(process_id: int) -> str:
    """Read the high-water mark of a process's resident memory."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    kilobytes = int(line.split()[1])
    name = psutil.Process(process_id).name()
    return f"{kilobytes / 1000:.0f} MB ({name})"


if __name__ == "__main__":
    main()
