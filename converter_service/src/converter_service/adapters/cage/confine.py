"""Become another program in a cage: `python confine.py PARENT WORD... -- PROGRAM ...`.

A program of its own because code between fork and exec is unsafe in a process with threads.
Standard library only, run by path and without site: it starts in some 20 ms. A word is a limit
(`memory=N`), a layer (`landlock`, `seccomp`) or a path that Landlock leaves (`read=`, `write=`).
Nothing of it is optional: what the kernel refuses ends this process before the program begins.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

from converter_service.adapters.cage import landlock, seccomp

LIMITS = {
    "memory": resource.RLIMIT_AS,
    "cpu": resource.RLIMIT_CPU,
    "file": resource.RLIMIT_FSIZE,
    "files": resource.RLIMIT_NOFILE,
    "core": resource.RLIMIT_CORE,
}
LAYERS = {"landlock", "seccomp"}
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
# The first that is read of the child; it stands for a cage that is shut.
HELD = b"held\n"


def main(arguments: list[str]) -> None:
    """Shut the cage, say so, then exec."""
    end = arguments.index("--")
    parent, words, program = int(arguments[0]), arguments[1:end], arguments[end + 1 :]
    try:
        _hold(parent, [word.partition("=") for word in words])
        os.write(sys.stdout.fileno(), HELD)
        os.execv(program[0], program)  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.exit(f"confine: {error}")


def _hold(parent: int, words: list[tuple[str, str, str]]) -> None:
    for name, _, value in words:
        if name in LIMITS:
            _limit(LIMITS[name], int(value))
    if sys.platform == "linux":
        _die_with(parent)
    layers = {name for name, equals, _ in words if not equals}
    if not layers <= LAYERS:
        raise OSError(f"no such layer: {layers - LAYERS}")
    if "landlock" in layers:
        landlock.restrict(
            [path for name, _, path in words if name == "read"],
            [path for name, _, path in words if name == "write"],
        )
    if "seccomp" in layers:  # last: it refuses calls that come before
        seccomp.refuse()


def _limit(resource_id: int, wanted: int) -> None:
    _, hard = resource.getrlimit(resource_id)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource_id, (most, most))


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent dies, however it dies."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    libc.prctl(PR_SET_PDEATHSIG, seccomp.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be watched
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
