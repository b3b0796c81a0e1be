"""Become another program with limits on it: `python confine.py PARENT LIMIT=N... -- PROGRAM ...`.

A program of its own because code between fork and exec is unsafe in a process with threads.
Standard library only, run by path and with `-I -S`: it starts in some 15 ms.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

LIMITS = {
    "memory": resource.RLIMIT_AS,
    "cpu": resource.RLIMIT_CPU,
    "file": resource.RLIMIT_FSIZE,
    "files": resource.RLIMIT_NOFILE,
    "core": resource.RLIMIT_CORE,
}
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def main(arguments: list[str]) -> None:
    """Set the limits, then exec."""
    end = arguments.index("--")
    parent, limits, program = int(arguments[0]), arguments[1:end], arguments[end + 1 :]
    for limit in limits:
        name, _, value = limit.partition("=")
        _, hard = resource.getrlimit(LIMITS[name])
        wanted = int(value) if hard == resource.RLIM_INFINITY else min(int(value), hard)
        resource.setrlimit(LIMITS[name], (wanted, wanted))
    if sys.platform == "linux":
        _die_with(parent)
    os.execv(program[0], program)  # noqa: S606 - no shell is the point


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent dies, however it dies."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be watched
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
