"""What a caller saw: every answer with the moments between which it was true, in the order it came.

Times are seconds since the epoch: mails carry such, and all is one machine.
"""

from __future__ import annotations

import email.policy
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.parser import BytesParser
from pathlib import Path
from typing import TypeAlias, TypeVar

LINK = re.compile(r"/#/conversions/([0-9a-f]{32})")
STAMP = "%Y%m%dT%H%M%S.%f"


@dataclass(frozen=True, slots=True)
class Source:
    """A video that is uploaded: how long its audio is, or why it must fail."""

    name: str
    samples: int
    reasons: frozenset[str] = frozenset()

    @property
    def is_hostile(self) -> bool:
        """Whether no MP3 may ever come of it."""
        return bool(self.reasons)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An upload or a retry was answered with a conversion."""

    conversion_id: str
    request_id: str
    source: str
    begun: float
    ended: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A conversion was shown to its owner."""

    conversion_id: str
    state: str
    begun: float
    ended: float
    audio: str = ""
    """The SHA-256 that was promised."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """A conversion was answered to be unknown."""

    conversion_id: str
    begun: float
    ended: float


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Audio came, all that was announced of it."""

    conversion_id: str
    sha256: str
    begun: float
    ended: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Something was asked of a conversion; `answered` tells whether a yes came back."""

    conversion_id: str
    what: str
    answered: bool
    begun: float
    ended: float


@dataclass(frozen=True, slots=True)
class Opened:
    """A request was answered with an account."""

    account_id: str
    request_id: str
    begun: float
    ended: float


@dataclass(frozen=True, slots=True)
class Listening:
    """A request was answered with a webhook."""

    webhook_id: str
    request_id: str
    begun: float
    ended: float


@dataclass(frozen=True, slots=True)
class Odd:
    """An answer that nobody should get, whatever fails: a bug, though nothing may be lost."""

    request: str
    status: int
    text: str
    ended: float


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was delivered."""

    conversion_id: str
    message_id: str
    outcome: str
    arrived: float


@dataclass(frozen=True, slots=True)
class Hook:
    """A request that came to a caller's endpoint, whether it was taken or sent away."""

    conversion_id: str
    webhook_id: str
    outcome: str
    arrived: float
    reason: str = ""
    taken: bool = True
    is_signed: bool = True


@dataclass(frozen=True, slots=True)
class Sound:
    """What came of decoding an MP3 from end to end."""

    samples: int
    complaints: str = ""


Entry: TypeAlias = Accepted | Seen | Missing | Downloaded | Asked | Opened | Listening | Odd
E = TypeVar("E", bound=Entry)


class History:
    """Entries as they come, and in a file, so that a failing run can be read afterwards."""

    def __init__(self, file: Path | None = None) -> None:
        """Write into `file`, too."""
        self._entries: list[Entry] = []
        self._file = file.open("a", encoding="utf-8") if file else None

    def add(self, entry: Entry) -> None:
        """Append an entry."""
        self._entries.append(entry)
        if self._file is not None:
            line = {"entry": type(entry).__name__, **asdict(entry)}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()

    def of(self, kind: type[E], conversion_id: str | None = None) -> list[E]:
        """List the entries of one kind, of one conversion or of all."""
        return [
            entry
            for entry in self._entries
            if isinstance(entry, kind)
            and (conversion_id is None or getattr(entry, "conversion_id", "") == conversion_id)
        ]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def read_mails(mailbox: Path, known: Iterable[str] = ()) -> list[Mail]:
    """Read the mails of a folder, but for the files that are `known` already."""
    skipped = set(known)
    files = [file for file in sorted(mailbox.glob("*.eml")) if file.name not in skipped]
    return [mail for file in files if (mail := _mail(file)) is not None]


def _mail(file: Path) -> Mail | None:
    message = BytesParser(policy=email.policy.default).parsebytes(file.read_bytes())
    body = message.get_body(("plain",))
    link = LINK.search(body.get_content() if body is not None else "")
    if link is None:
        return None
    arrived = datetime.strptime(file.name.partition("-")[0], STAMP).replace(tzinfo=UTC)
    return Mail(
        conversion_id=link[1],
        message_id=str(message["Message-ID"]),
        outcome="SUCCEEDED" if "is ready" in str(message["Subject"]) else "FAILED",
        arrived=arrived.timestamp(),
    )
