"""Run a confined child process whose group never outlives its use."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from converter_service.adapters.cage import confine
from converter_service.adapters.cage.shape import FULL, PACKAGE_ROOT, Cage
from converter_service.domain import ConversionTimedOut, EngineFailure

PIECE_BYTES = 4096
LINE_BYTES = 1000
TAIL_LINES = 60
# Nothing of the service's own environment: it holds passwords.
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PYTHONPATH": str(PACKAGE_ROOT)}


class CannotBeHeld(EngineFailure):
    """The kernel refused a part of the cage, so that the program was not started."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use; beyond it the kernel refuses or kills."""

    seconds: float
    memory_bytes: int = 4 * 1024**3
    file_bytes: int = 8 * 1024**3
    open_files: int = 256

    def with_room_for(self, file_bytes: int) -> Limits:
        """Allow files of at least so many bytes."""
        return replace(self, file_bytes=max(self.file_bytes, file_bytes))

    def arguments(self) -> list[str]:
        """Write the limits for `confine`; CPU time is bounded by wall time on all cores."""
        cpu_seconds = int(self.seconds * (os.cpu_count() or 1)) + 1
        return [
            f"memory={self.memory_bytes}",
            f"cpu={cpu_seconds}",
            f"file={self.file_bytes}",
            f"files={self.open_files}",
            "core=0",
        ]


class Child:
    """A running child and the last lines of its stderr."""

    def __init__(self, process: Process, limits: Limits, stall_seconds: float) -> None:
        """Watch `process`, which must end within its limits and never stand still for long."""
        self._process = process
        self._stall_seconds = stall_seconds
        self._deadline = asyncio.get_running_loop().time() + limits.seconds
        self.errors: deque[str] = deque(maxlen=TAIL_LINES)

    async def is_held(self) -> bool:
        """Wait for the cage to shut; False if it ended before, so that no program was started.

        Raises `ConversionTimedOut` at the wall-clock limit.
        """
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._stdout().readexactly(len(confine.HELD)) == confine.HELD
        except asyncio.IncompleteReadError:
            return False
        except TimeoutError:
            raise ConversionTimedOut from None

    async def read(self, most_bytes: int, *, stalled_since: float | None = None) -> bytes:
        """Read some of its stdout; empty at the end.

        Raises `ConversionTimedOut` at the wall-clock limit, or when nothing came for too long
        since `stalled_since` (event loop time; default: now).
        """
        now = asyncio.get_running_loop().time()
        stalled_at = (now if stalled_since is None else stalled_since) + self._stall_seconds
        try:
            async with asyncio.timeout_at(min(self._deadline, stalled_at)):
                return await self._stdout().read(most_bytes)
        except TimeoutError:
            raise ConversionTimedOut from None

    async def exit_status(self) -> int:
        """Wait for its end. Raises `ConversionTimedOut` at the wall-clock limit."""
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._process.wait()
        except TimeoutError:
            raise ConversionTimedOut from None

    async def collect_errors(self) -> None:
        """Drain stderr, so that it never blocks, and keep its last lines."""
        async for line in lines(self._process.stderr):
            self.errors.append(line)

    def _stdout(self) -> asyncio.StreamReader:
        if self._process.stdout is None:
            raise EngineFailure("stdout is no pipe")
        return self._process.stdout


async def lines(stream: asyncio.StreamReader | None) -> AsyncIterator[str]:
    """Split a stream into lines; whatever is longer than a line should be is cut."""
    rest = b""
    while stream is not None and (piece := await stream.read(PIECE_BYTES)):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line[:LINE_BYTES].decode(errors="replace")
        rest = rest[:LINE_BYTES]
    if rest:
        yield rest.decode(errors="replace")


def wrap(argv: Sequence[str], limits: Limits, cage: Cage, *, scratch: Path | None) -> list[str]:
    """Write the command that becomes `argv` in a cage, and says `HELD` on stdout when it does."""
    wrapper = [sys.executable, "-S", "-P", confine.__file__, str(os.getpid())]
    return [*wrapper, *limits.arguments(), *cage.arguments(argv[0], scratch), "--", *argv]


@asynccontextmanager
async def run_child(
    argv: Sequence[str], limits: Limits, *, stall_seconds: float, cwd: Path, cage: Cage = FULL
) -> AsyncIterator[Child]:
    """Start a program in a process group of its own; leaving the context kills what is left of it.

    It may write below `cwd` and nowhere else. Raises `EngineFailure` if it cannot be started, and
    `CannotBeHeld` if not in this cage.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *wrap(argv, limits, cage, scratch=cwd),
            stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
            cwd=cwd, env=ENVIRONMENT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise EngineFailure(f"cannot start: {error}") from error
    child = Child(process, limits, stall_seconds)
    collecting = asyncio.create_task(child.collect_errors())
    try:
        if not await child.is_held():
            await collecting
            raise CannotBeHeld(f"cannot be held: {' '.join(child.errors)}")
        yield child
        await collecting
    finally:
        await _end(process)
        collecting.cancel()


async def _end(process: Process) -> None:
    """Kill the group, which may outlive its leader, and reap the leader."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
