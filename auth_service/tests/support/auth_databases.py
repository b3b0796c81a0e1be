"""Databases for the contract tests: SQLite always, MariaDB where it is installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tonearm_chassis.testing.ports import free_port

RUN = Path(__file__).parents[3] / "deploy" / "real" / "mariadb" / "run"
PASSWORD = "made-up-for-this-test"
START_SECONDS = 60.0


def mariadb_is_here() -> bool:
    """Tell whether the MariaDB server is installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return RUN.exists() and shutil.which("mariadbd", path=path) is not None


class MariaDB:
    """A private MariaDB below a directory, which can be stopped in every way there is."""

    def __init__(self, directory: Path) -> None:
        """Choose a port; `start` begins."""
        self._port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"mysql+pymysql://auth:{PASSWORD}@127.0.0.1:{self._port}/auth?charset=utf8mb4"

    def start(self) -> None:
        """Start the server and wait until it listens. Blocks."""
        self._process = subprocess.Popen(
            [RUN, self._directory, str(self._port)],
            env={**os.environ, "MARIADB_PASSWORD": PASSWORD},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_for(self._port, self._process)

    def end(self, number: signal.Signals) -> None:
        """End the server with a signal and wait until it is gone. Blocks."""
        self.send(number)
        if self._process is not None:
            self._process.wait(START_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        if self._process is not None:
            self._process.send_signal(number)


@contextmanager
def mariadb_url(directory: Path) -> Iterator[str]:
    """Run a private MariaDB below `directory` and yield its SQLAlchemy URL."""
    with mariadb_server(directory) as server:
        yield server.url


@contextmanager
def mariadb_server(directory: Path) -> Iterator[MariaDB]:
    """Run a private MariaDB below `directory`."""
    server = MariaDB(directory)
    server.start()
    try:
        yield server
    finally:
        server.send(signal.SIGCONT)
        server.end(signal.SIGTERM)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("MariaDB did not start")
