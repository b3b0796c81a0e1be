"""A real server that speaks MongoDB's protocol, for the length of a test run."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from tonearm_chassis.mongo import Document
from tonearm_chassis.testing.ports import free_port

PROGRAM = "secantusd-py"
START_SECONDS = 30.0


def mongo_program() -> str | None:
    """Find the embedded server: beside the interpreter, or on PATH; None if it is not installed."""
    beside = Path(sys.executable).with_name(PROGRAM)
    return str(beside) if beside.exists() else shutil.which(PROGRAM)


@contextmanager
def mongo_server(directory: Path) -> Iterator[str]:
    """Run the server with its data below `directory` and yield its URI. Blocks.

    Raises `RuntimeError` if it is not installed or does not come up within 30 s.
    """
    program = mongo_program()
    if program is None:
        raise RuntimeError(f"{PROGRAM} is not installed")
    port = free_port()
    with (directory / "mongo.log").open("wb") as output:
        process = subprocess.Popen(
            [program, "--port", str(port), "--storage-path", str(directory / "data")],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(port, process)
        yield f"mongodb://127.0.0.1:{port}/?directConnection=true"
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{PROGRAM} did not start")


class DatedDatabase:
    """A database whose server's clock says what a test wants."""

    def __init__(self, database: AsyncDatabase[Document], now: datetime) -> None:
        """Be `database`, but for the time."""
        self._database = database
        self._now = now

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the driver's has
        """Give what the database has."""
        return getattr(self._database, name)

    def __getitem__(self, name: str) -> AsyncCollection[Document]:
        """Open a collection."""
        return self._database[name]

    async def command(self, name: str) -> Document:
        """Run a command, and put the other time into its answer."""
        answer = await self._database.command(name)
        return {**answer, "localTime": self._now}
