"""What was found: for people a line each, for programs an object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Level(IntEnum):
    """How bad it is; the worst is the exit status."""

    OK = 0
    WARNING = 1
    UNUSABLE = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `facts` are the figures behind the text."""

    subject: str
    level: Level
    text: str
    facts: Mapping[str, object] = field(default_factory=dict)

    def line(self) -> str:
        """Write it for people."""
        return f"{self.level.name.lower():9} {self.subject:12} {self.text}"


@dataclass(frozen=True, slots=True)
class Report:
    """All that was looked at."""

    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """Tell the worst."""
        return max((each.level for each in self.findings), default=Level.OK)

    def text(self) -> str:
        """Write it for people; the last line sums it up."""
        counts = {level: sum(each.level is level for each in self.findings) for level in Level}
        summary = (
            f"DOCTOR {self.level.name.lower()} warnings={counts[Level.WARNING]} "
            f"unusable={counts[Level.UNUSABLE]}"
        )
        return "\n".join([*(each.line() for each in self.findings), summary])

    def json(self) -> str:
        """Write it for programs: one object."""
        findings = [
            {
                "subject": each.subject,
                "level": each.level.name,
                "text": each.text,
                "facts": dict(each.facts),
            }
            for each in self.findings
        ]
        return json.dumps({"level": self.level.name, "findings": findings})
