"""What is known of one conversion, and what is found wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .history import Asked, Downloaded, Hook, Mail, Missing, Seen, Sound, Source

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
TOLD = frozenset({"SUCCEEDED", "FAILED"})


class Fault(StrEnum):
    """The ways to break the guarantee."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of the guarantee."""

    fault: Fault
    conversion_id: str
    """Or an account's."""
    what: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one conversion."""

    conversion_id: str
    source: Source
    seen: Sequence[Seen]
    missing: Sequence[Missing]
    downloads: Sequence[Downloaded]
    asked: Sequence[Asked]
    mails: Sequence[Mail]
    hooks: Sequence[Hook]
    sounds: Mapping[str, Sound]

    @property
    def final(self) -> Seen | None:
        """The first final state that was seen."""
        return next((each for each in self.seen if each.state in FINAL), None)

    def was_asked(self, what: str) -> bool:
        """Tell whether somebody tried to, whatever the answer was."""
        return any(each.what == what for each in self.asked)

    @property
    def end(self) -> str:
        """The state that it came to, in words."""
        return self.final.state if self.final is not None else "not final"
