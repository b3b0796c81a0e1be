"""Run the audit, as whoever operates Tonearm does, until it finds nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

from tonearm_chassis import mongo
from tonearm_chassis.errors import Outage
from tonearm_operations.audit import Audit
from tonearm_operations.stores import Stores

PAUSE_SECONDS = 3.0
WALK_SECONDS = 120
NOW = timedelta(0)


def audit(mongodb_uri: str, *, grace_seconds: int, seconds: float) -> list[str]:
    """Give the sweepers so many seconds; return what the audit says at last. Blocks."""
    command = [sys.executable, "-m", "tonearm_operations", "audit"]
    deadline = time.monotonic() + seconds
    while True:
        done = subprocess.run(
            [*command, "--grace-seconds", str(grace_seconds)],
            env={"MONGODB_URI": mongodb_uri},
            check=False,
            capture_output=True,
            text=True,
            timeout=WALK_SECONDS,
        )
        if done.returncode == 0:
            return []
        if time.monotonic() > deadline:
            return [*done.stdout.splitlines(), *done.stderr.splitlines(), "the audit failed"]
        time.sleep(PAUSE_SECONDS)


class Leaks:
    """What tests leave in the stores, and which modules of them.

    Most of it is swept within seconds, for which no test waits: it is looked at after each module,
    and asked at the end what of it is still there.
    """

    def __init__(self, mongodb_uri: str) -> None:
        self._mongodb_uri = mongodb_uri
        self._first: dict[str, str] = {}

    def look(self, test: str) -> None:
        """Remember what is there for the first time after a test; blocks for a walk or two."""
        # In a thread, for the tests' event loops are pytest's.
        with ThreadPoolExecutor(1) as thread, suppress(Outage):
            for line in thread.submit(asyncio.run, _glance(self._mongodb_uri)).result():
                self._first.setdefault(_name(line), test)

    def left(self, *, grace_seconds: int, seconds: float) -> list[str]:
        """Audit until nothing is found, or so long; add to each finding who left it. Blocks."""
        lines = audit(self._mongodb_uri, grace_seconds=grace_seconds, seconds=seconds)
        return [
            f"{line} - first seen after {first}"
            if (first := self._first.get(_name(line)))
            else line
            for line in lines
        ]


def _name(line: str) -> str:
    """Take kind, store and id off a finding; the rest may read differently each time."""
    return line.partition(": ")[0]


async def _glance(mongodb_uri: str) -> list[str]:
    async with mongo.connect(mongodb_uri) as client:
        audit = Audit(Stores.of(client), grace=NOW, sleep=lambda _: asyncio.sleep(0))
        return [finding.line() for finding in await audit.run()]
