"""Give each conversion a private directory that never outlives it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from converter_service.adapters.disk import disk_errors
from converter_service.ports import Workplace
from tonearm_chassis.errors import StorageFull
from tonearm_chassis.logs import get_log

log = get_log(__name__)

LEAST_FREE_BYTES = 16 * 1024 * 1024
PRIVATE = 0o700


class ScratchWorkshop:
    """A `Workshop` in a directory that several workers may share.

    Each worker has a subdirectory that it keeps locked while it lives; one that can be locked
    belongs to nobody any more.
    """

    def __init__(self, root: Path) -> None:
        """Make a subdirectory of `root` and remove what dead workers left there."""
        root = root.absolute()  # children run elsewhere
        root.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        self._remove_leftovers(root)
        self._home = root / uuid.uuid4().hex
        self._home.mkdir(mode=PRIVATE)
        self._lock = _lock(self._home)

    @property
    def home(self) -> Path:
        """Tell where this worker's workplaces are."""
        return self._home

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Workplace]:
        """Make a workplace; remove it afterwards."""
        directory = self._home / uuid.uuid4().hex
        with disk_errors():
            directory.mkdir(mode=PRIVATE)
            (directory / "chunks").mkdir(mode=PRIVATE)
        try:
            yield Workplace(directory / "video", directory / "audio", directory / "chunks")
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True))

    def require_space(self, wanted_bytes: int = 0) -> None:
        """Raise `StorageFull` if almost nothing would be free."""
        with disk_errors():
            free_bytes = shutil.disk_usage(self._home).free
        if free_bytes < wanted_bytes + LEAST_FREE_BYTES:
            raise StorageFull("scratch: the disk is full, or too small")

    def close(self) -> None:
        """Remove the worker's subdirectory."""
        shutil.rmtree(self._home, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    def _remove_leftovers(self, root: Path) -> None:
        for directory in root.iterdir():
            if not directory.is_dir() or (lock := _lock(directory)) is None:
                continue
            shutil.rmtree(directory, ignore_errors=True)
            os.close(lock)
            log.info("leftovers_removed", directory=directory.name)


def _lock(directory: Path) -> int | None:
    """Lock a directory for as long as this process lives; None if somebody else has it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
