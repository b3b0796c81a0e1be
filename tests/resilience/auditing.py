"""Run the audit, as whoever operates Tonearm does, until it finds nothing."""

from __future__ import annotations

import subprocess
import sys
import time

PAUSE_SECONDS = 3.0
WALK_SECONDS = 120


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
