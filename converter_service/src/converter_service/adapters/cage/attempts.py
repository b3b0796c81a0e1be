"""Try to get out of the cage: `python attempts.py DIRECTORY`, what is possible as JSON on stdout.

Run in the cage, by path and with the standard library only. DIRECTORY is another child's, and has
a file `video`. What is tried does no harm where it succeeds.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

NAMESPACES = (0x10000000, 0x40000000, 0x00020000)  # CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS
PTRACE_SEIZE = 0x4206
FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)

Attempt = Callable[[], object]


def attempts(other: Path) -> dict[str, list[Attempt]]:
    """List what nothing in the cage may do; a kind is denied when each of its attempts fails."""
    parent = os.getppid()
    video, new = other / "video", other / "new"
    return {
        "read": [
            video.read_bytes,
            lambda: list(other.iterdir()),
            Path("/etc/passwd").read_bytes,
            Path(f"/proc/{parent}/environ").read_bytes,
        ],
        "write": [
            new.touch,
            new.mkdir,
            lambda: os.truncate(video, 0),
            lambda: video.chmod(0o600),
            lambda: os.utime(video),
            lambda: video.rename(new),
            lambda: Path("link").symlink_to(video),
            lambda: os.mkfifo("pipe"),
            video.unlink,
        ],
        "network": [partial(_make_socket, family) for family in FAMILIES],
        "signal": [lambda: os.kill(parent, 0)],
        "trace": [lambda: _peek(parent), lambda: _call("ptrace", PTRACE_SEIZE, parent, 0, 0)],
        "namespace": [partial(_call, "unshare", flag) for flag in NAMESPACES],
        "leave": [_leave],
    }


def main(other: Path) -> list[str]:
    """Tell which kinds are possible."""
    return [kind for kind, tried in attempts(other).items() if any(map(_works, tried))]


def _works(attempt: Attempt) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _make_socket(family: int) -> None:
    socket.socket(family).close()


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


class _Piece(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("address", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _peek(process: int) -> None:
    """Read an address of another's memory that nobody uses: who may look hears of a bad address."""
    room = ctypes.create_string_buffer(1)
    here, there = _Piece(ctypes.addressof(room), 1), _Piece(1, 1)
    try:
        _call("process_vm_readv", process, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise


def _leave() -> None:
    """Leave the process group, which only who does not lead it can."""
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        if status:
            raise PermissionError
        return
    left = any(map(_works, (os.setsid, lambda: os.setpgid(0, 0))))
    os._exit(0 if left else 1)


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1])), sys.stdout)
