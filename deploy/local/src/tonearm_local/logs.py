"""Show the logs of the parts, merged by time, and go on showing what is added."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOOK_SECONDS = 0.2
# 2026-01-31T12:00:00.123 or 2026-01-31 12:00:00,123, with any bracket before it.
_MOMENT = re.compile(r"\W{0,2}(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?")


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """A line of a part's log; `moment` sorts as text."""

    moment: str
    part: str = field(compare=False)
    text: str = field(compare=False)


def recent(logs: Mapping[str, Path], count: int) -> list[Line]:
    """Merge the last lines of all logs and return the last of those."""
    lines = [line for part, log in logs.items() for line in _lines(part, log)[-count:]]
    return sorted(lines)[-count:]


class Follower:
    """Sees what is added to the logs after it was made, through rotations too."""

    def __init__(self, logs: Mapping[str, Path]) -> None:
        self._logs = dict(logs)
        self._ends = {part: _end(log) for part, log in logs.items()}

    def added(self) -> list[Line]:
        """Return the whole lines that were added since the last look, merged by time."""
        found = [
            Line(_moment(text) or "", part, text)
            for part in self._logs
            for text in self._added_to(part)
        ]
        return sorted(found)

    def _added_to(self, part: str) -> list[str]:
        log, (inode, seen) = self._logs[part], self._ends[part]
        now_inode, size = _end(log)
        if now_inode != inode or size < seen:
            seen = 0
        if size == seen:
            return []
        with log.open("rb") as file:
            file.seek(seen)
            added = file.read()
        # The end of a line that is still being written waits for the next look.
        whole = added[: added.rfind(b"\n") + 1]
        self._ends[part] = now_inode, seen + len(whole)
        return whole.decode(errors="replace").splitlines()


def follow(logs: Mapping[str, Path]) -> Iterator[Line]:
    """Yield every line that is added from now on, until the caller stops."""
    follower = Follower(logs)
    while True:
        yield from follower.added()
        time.sleep(LOOK_SECONDS)


def _lines(part: str, log: Path) -> list[Line]:
    if not log.exists():
        return []
    lines, moment = [], ""
    for text in log.read_text(encoding="utf-8", errors="replace").splitlines():
        # A line without a time belongs to the one before: tracebacks stay whole.
        moment = _moment(text) or moment
        lines.append(Line(moment, part, text))
    return lines


def _moment(text: str) -> str | None:
    if text.startswith("{"):
        try:
            line = json.loads(text)
            text = str(line.get("time") or line.get("timestamp", ""))
        except ValueError:
            return None
    found = _MOMENT.match(text)
    if found is None:
        return None
    day, clock, fraction = found.groups()
    return f"{day}T{clock}.{(fraction or '0'):0<6.6}"


def _end(log: Path) -> tuple[int, int]:
    if not log.exists():
        return 0, 0
    status = log.stat()
    return status.st_ino, status.st_size
