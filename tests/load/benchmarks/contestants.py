"""Who converts a video to the MP3 of quality V2, each as a command of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from converter_service.adapters.ffmpeg import find_ffmpeg

from .rows import Cost, cost

QUALITY = 2
WORKERS = 2
HERE = Path(__file__).parent


def program() -> str:
    """Find the one ffmpeg that all of them use: the converter's own choice."""
    return find_ffmpeg("")


def engine(source: Path, target: Path, seconds: float) -> Cost:
    """Convert as Tonearm does."""
    command = [sys.executable, "-P", "-m", "converter_service.engine.encode", program()]
    how = ("--quality", str(QUALITY), "--workers", str(WORKERS))
    return cost([*command, str(source), str(target), *how, "--expected-seconds", str(seconds)])


def ffmpeg(source: Path, target: Path) -> Cost:
    """Convert with the bare program."""
    how = ("-map", "0:a:0", "-q:a", str(QUALITY), "-f", "mp3", "-y", str(target))
    return cost([program(), "-nostdin", "-i", str(source), *how])


def moviepy(source: Path, target: Path) -> Cost:
    """Convert as users of moviepy do."""
    return _by("moviepys_way.py", source, target)


def pydub(source: Path, target: Path) -> Cost:
    """Convert as users of pydub do."""
    return _by("pydubs_way.py", source, target)


def _by(script: str, source: Path, target: Path) -> Cost:
    command = [sys.executable, "-P", str(HERE / script), program(), str(source), str(target)]
    return cost([*command, str(QUALITY)])
