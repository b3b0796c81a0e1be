"""Find and end the processes of a stack by what they carry, not by a file of process ids.

Every process of a stack has `TONEARM_STACK=<data directory>` in its environment and hands it down
to its children; what starts with an empty environment works in a directory below `scratch`. So
they are found after a kill -9 of the supervisor, and nobody else ever is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "TONEARM_STACK"
ROUNDS = 3
LOOK_SECONDS = 0.02


def find(directory: Path) -> list[psutil.Process]:
    """List the processes of the stack with that data directory, and all their descendants."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if process.pid != os.getpid() and _carries(process, str(directory)):
            found[process.pid] = process
            for child in _descendants(process):
                found[child.pid] = child
    found.pop(os.getpid(), None)
    return list(found.values())


def end(directory: Path, *, grace_seconds: float = 5.0) -> list[str]:
    """End what is left of a stack, gently at first; return the names of what was ended.

    Blocks for `grace_seconds` at most, and a moment more for those that had to be killed.
    """
    ended: list[str] = []
    # Again after the first round: a dying parent may have started another child meanwhile.
    for _ in range(ROUNDS):
        processes = find(directory)
        if not processes:
            break
        ended += [_name(process) for process in processes]
        _each(processes, psutil.Process.terminate)
        stubborn = _wait(processes, grace_seconds)
        _each(stubborn, psutil.Process.kill)
        _wait(stubborn, grace_seconds)
    return ended


def runs(process: psutil.Process) -> bool:
    """Tell whether a process still runs; a dead one that its parent has not noticed does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if runs(process)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(LOOK_SECONDS)
    return alive


def _carries(process: psutil.Process, directory: str) -> bool:
    try:
        return runs(process) and (
            process.environ().get(MARK) == directory or _works_in(process, directory)
        )
    except (psutil.Error, OSError):
        return False  # gone, or somebody else's


def _works_in(process: psutil.Process, directory: str) -> bool:
    # A converter's ffmpeg gets an empty environment, and the directory of its job to work in.
    return Path(directory, "scratch") in Path(process.cwd()).parents


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [child for child in process.children(recursive=True) if runs(child)]
    except psutil.Error:
        return []


def _each(processes: list[psutil.Process], action: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            action(process)


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return f"process {process.pid}"
