"""A MongoDB-compatible store as a process, for the adapters' contract suites."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

PROGRAM = "secantusd-py"


def find_program() -> str | None:
    """Find the server beside the interpreter or on PATH."""
    beside = Path(sys.executable).parent / PROGRAM
    return str(beside) if beside.exists() else shutil.which(PROGRAM)


@contextmanager
def running_store(program: str, directory: Path) -> Iterator[str]:
    """Run the server and yield its connection string."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "--host", "127.0.0.1", "--port", str(port), "--storage-path", str(directory)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    uri = f"mongodb://127.0.0.1:{port}/"
    try:
        _wait(uri)
        yield uri
    finally:
        process.kill()
        process.wait()


def _wait(uri: str) -> None:
    for _ in range(60):
        with (
            suppress(PyMongoError),
            MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=500) as client,
        ):
            client.admin.command("ping")
            return
    raise TimeoutError(uri)
