"""What this machine can gain at all: two encoders at once against one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from converter_sounds import Clip

from .contestants import QUALITY, program
from .rows import LONGEST_SECONDS, Cost, Row, alternate, ratio, wall
from .sizes import Size

RATE_HZ = 44_100


def machine(directory: Path, size: Size) -> Iterator[Row]:
    """Encode once, and twice at a time, with nothing in common: no engine can gain more."""
    sound = Clip("music", 1, size.machine_seconds, RATE_HZ, 2)
    source = sound.write(program(), directory / "music.wav")
    targets = [directory / f"{name}.mp3" for name in ("one", "two")]
    one, two = alternate(
        size.rounds, lambda: _at_once(source, targets[:1]), lambda: _at_once(source, targets)
    )
    what = "two encoders at once, work done in the time of one"
    yield Row("machine_two_at_once", what, 2 * ratio(one, two, wall), None)


def _at_once(source: Path, targets: Sequence[Path]) -> Cost:
    begin = time.perf_counter()
    with ExitStack() as running:
        encoders = [running.enter_context(_encoder(source, target)) for target in targets]
        for encoder in encoders:
            if status := encoder.wait(LONGEST_SECONDS):
                raise subprocess.CalledProcessError(status, encoder.args)
    return Cost(time.perf_counter() - begin)


def _encoder(source: Path, target: Path) -> subprocess.Popen[bytes]:
    how = ("-threads", "1", "-q:a", str(QUALITY), "-f", "mp3", "-y", str(target))
    command = [program(), "-nostdin", "-v", "error", "-i", str(source), *how]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)
