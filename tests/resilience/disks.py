"""Small disks that can be filled up: a tmpfs each, for whoever may mount one."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BALLAST = ".ballast"
PIECE = bytes(1 << 20)


class CannotMount(Exception):
    """This machine, or this user, mounts nothing."""


@contextmanager
def small_disk(directory: Path, *, megabytes: int) -> Iterator[Path]:
    """Mount a tmpfs over a directory for as long as the block lasts. Raises `CannotMount`."""
    directory.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(directory)]
    if os.getuid() != 0:
        raise CannotMount("only root mounts a tmpfs")
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        raise CannotMount(mounted.stderr.strip())
    try:
        yield directory
    finally:
        # Lazily: whoever still has a file open there keeps it, and nobody finds it any more.
        unmount = ["umount", "--lazy", str(directory)]
        subprocess.run(unmount, check=False, capture_output=True)


@contextmanager
def full(directory: Path) -> Iterator[None]:
    """Fill the disk of a directory to the last byte for as long as the block lasts."""
    ballast = directory / BALLAST
    try:
        with ballast.open("wb", buffering=0) as file:
            _fill(file.fileno())
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _fill(descriptor: int) -> None:
    size = len(PIECE)
    while size:
        try:
            os.write(descriptor, PIECE[:size])
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            size //= 2
