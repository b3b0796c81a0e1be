"""Databases for the contract tests: SQLite always, MariaDB where it is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RUN = Path(__file__).parents[3] / "deploy" / "real" / "mariadb" / "run"
PASSWORD = "made-up-for-this-test"
START_SECONDS = 60.0


def mariadb_is_here() -> bool:
    """Tell whether the MariaDB server is installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return RUN.exists() and shutil.which("mariadbd", path=path) is not None


@contextmanager
def mariadb_url(directory: Path) -> Iterator[str]:
    """Run a private MariaDB below `directory` and yield its SQLAlchemy URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [RUN, directory, str(port)],
        env={**os.environ, "MARIADB_PASSWORD": PASSWORD},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield f"mysql+pymysql://auth:{PASSWORD}@127.0.0.1:{port}/auth?charset=utf8mb4"
    finally:
        process.terminate()
        process.wait(START_SECONDS)


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
