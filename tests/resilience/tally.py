"""Count what strikes in a run of chaos, and write it down as it does."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from .faults import FAILPOINT_KILL, Strike
from .points import POINTS


class Tally:
    """The faults of one run, in the order in which they were over."""

    def __init__(self, file: Path) -> None:
        """Append to `file`, so that a failing run can be read afterwards."""
        self.strikes: list[Strike] = []
        self._file = file

    @property
    def never_reached(self) -> list[str]:
        """The failpoints at which nobody was killed."""
        killed = {each.target for each in self.strikes if each.kind == FAILPOINT_KILL}
        return [point for point in POINTS if point not in killed]

    def note(self, strike: Strike) -> None:
        """Count a fault."""
        self.strikes.append(strike)
        self._log("fault", asdict(strike))

    def note_nothing(self, kind: str, why: Exception) -> None:
        """Write down why a fault struck nobody; it does not count."""
        self._log("nothing", {"kind": kind, "why": repr(why)})

    def _log(self, what: str, entry: dict[str, object]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, **entry}) + "\n")
