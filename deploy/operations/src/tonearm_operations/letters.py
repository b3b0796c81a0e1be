"""Read what a dead letter says, even if that is very little."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LETTERS_TOPIC = "tonearm.dead-letters.v1"
OWN_TOPICS = "tonearm."

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Original:
    """The record that a letter is about, as it came to its topic."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers


class Unreplayable(Exception):
    """A letter that does not say what to send where; the text says what it lacks."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One record of the dead letters, whoever wrote it.

    `place` is its own partition and offset. All texts are empty where the record does not tell.
    """

    place: str
    time: datetime
    texts: dict[str, str]
    key: bytes | None
    value: bytes

    @classmethod
    def read(cls, record: Any) -> Letter:  # noqa: ANN401 - kafka-python has no types
        """Read a record; never fails."""
        return cls(
            place=f"{record.partition}@{record.offset}",
            time=datetime.fromtimestamp(max(record.timestamp or 0, 0) / 1000, UTC),
            texts=_texts(record.headers or ()),
            key=record.key,
            value=record.value or b"",
        )

    @property
    def id(self) -> str:
        """Name it: after the record it is about, or after its own place if it does not say."""
        return self._text("ce_id") or self.place

    @property
    def reason(self) -> str:
        """Say why it was set aside."""
        return self._text("ce_reason")

    @property
    def origin(self) -> str:
        """Say where the record came from: topic/partition/offset."""
        names = ("ce_origintopic", "ce_originpartition", "ce_originoffset")
        return "/".join(self._text(name) or "?" for name in names)

    @property
    def type(self) -> str:
        """Name the type of the original event."""
        return self._original_headers().get("ce_type", "")

    @property
    def conversion_id(self) -> str:
        """Name the conversion: it is every event's key."""
        return (self.key or b"").decode(errors="replace")

    def original(self) -> Original:
        """Give back the record it is about. Raises `Unreplayable`."""
        topic = self._text("ce_origintopic")
        if not topic.startswith(OWN_TOPICS) or topic == LETTERS_TOPIC:
            raise Unreplayable(f"it does not say which topic it came from: {topic!r}")
        headers = self._original_headers()
        if not headers:
            raise Unreplayable("it does not say which headers it had")
        pairs = [(name, text.encode(errors="replace")) for name, text in headers.items()]
        return Original(topic, self.key or None, self.value, pairs)

    def line(self) -> str:
        """Write it on one line for people."""
        fields = (self.id, self.time.isoformat(timespec="seconds"), self.origin, self.type or "?")
        name = self.conversion_id or "-"
        return printable(f"{' '.join(fields)} {name}: {self.reason or 'no reason given'}")

    def json_line(self) -> str:
        """Write it for programs."""
        told = {
            "id": self.id,
            "time": self.time.isoformat(timespec="milliseconds"),
            "place": self.place,
            "origin": self.origin,
            "type": self.type,
            "conversion_id": self.conversion_id,
            "reason": self.reason,
            "bytes": len(self.value),
        }
        return json.dumps(told)

    def _text(self, name: str) -> str:
        return self.texts.get(name, "")

    def _original_headers(self) -> dict[str, str]:
        try:
            headers = json.loads(self._text("ce_originheaders"))
        except ValueError:
            return {}
        if not isinstance(headers, dict):
            return {}
        return {str(name): text for name, text in headers.items() if isinstance(text, str)}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant: these ids, or any if there are none, with this in their reason."""

    ids: Sequence[str] = ()
    reason_contains: str = ""

    def takes(self, letter: Letter) -> bool:
        """Tell whether a letter is meant."""
        is_named = not self.ids or letter.id in self.ids
        return is_named and self.reason_contains.lower() in letter.reason.lower()


def printable(text: str) -> str:
    """Keep what a stranger wrote on one line, and away from the terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _texts(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    return {str(name).lower(): (text or b"").decode(errors="replace") for name, text in headers}
