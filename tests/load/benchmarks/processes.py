"""What a process and its descendants use, as the kernel tells it: proc(5), Linux only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
BLOCK_BYTES = 512
# What a process may be doing while it is looked at: ending.
GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds of a process itself, and of those descendants that have ended."""

    own: float
    reaped: float


def spent(pid: int) -> Spent:
    """Ask what a process has spent so far."""
    user, system, reaped_user, reaped_system = _stat(pid)[11:15]
    return Spent((user + system) / TICKS_A_SECOND, (reaped_user + reaped_system) / TICKS_A_SECOND)


def descendants(pid: int) -> Iterator[int]:
    """Walk over the children of a process, theirs, and so on."""
    with suppress(*GONE):
        for thread in (PROC / str(pid) / "task").iterdir():
            with suppress(*GONE):
                for child in map(int, (thread / "children").read_text().split()):
                    yield child
                    yield from descendants(child)


def runs(pid: int, program: Path) -> bool:
    """Tell whether a process has become this program; it has to be resolved."""
    with suppress(*GONE):
        return Path(PROC / str(pid) / "exe").readlink() == program
    return False


def memory_bytes(pid: int) -> int:
    """Add up what a process and its descendants have in memory, what they share counted once.

    Their PSS, and whole files in memory (memfd) that they have open but need not have mapped.
    """
    family = [pid, *descendants(pid)]
    files = {inode: size for each in family for inode, size in _memory_files(each)}
    # A child that has not become its program yet has its parent's memory (vfork), no second one.
    owners = {_stack_address(each): each for each in family}
    return sum(map(_pss_bytes, owners.values())) + sum(files.values())


def _stat(pid: int) -> list[int]:
    """Read the numbers after the state of a process, which is field 3 of its `stat`."""
    # The name of the program, in brackets, may hold anything.
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return [0, *map(int, fields[1:])]


def _stack_address(pid: int) -> int:
    """Tell where the stack begins: it differs from program to program, at random."""
    with suppress(*GONE):
        return _stat(pid)[25]
    return 0


def _pss_bytes(pid: int) -> int:
    with suppress(*GONE):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _memory_files(pid: int) -> Iterator[tuple[int, int]]:
    with suppress(*GONE):
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            with suppress(*GONE):
                if str(descriptor.readlink()).startswith("/memfd:"):
                    stat = descriptor.stat()
                    yield stat.st_ino, stat.st_blocks * BLOCK_BYTES


@contextmanager
def looking(look: Callable[[], None], *, seconds: float) -> Iterator[None]:
    """Look again and again, in a thread, for as long as the block lasts; and once at its end."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(seconds):
            look()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        look()
