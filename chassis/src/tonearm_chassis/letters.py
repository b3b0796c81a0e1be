"""Write a dead letter: what could not be applied or carried out, where it came from, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from tonearm_chassis.envelope import Envelope, Headers

LETTER_TYPE = "tonearm.dead-letter"
REASON_LENGTH = 500
SHORT_LENGTH = 1000
UNKNOWN_PLACE = -1


class Record(Protocol):
    """What a consumer took from a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


@dataclass(slots=True)
class _Remembered:
    """A `Record` made again from the event that was in it; nobody knows its place any more."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int = UNKNOWN_PLACE
    offset: int = UNKNOWN_PLACE


def letter_of(record: Record, *, reason: str, source: str) -> Envelope:
    """Write the letter of a record. Its value and key are the record's.

    Its extension attributes tell the rest: `reason`, `origintopic`, `originpartition`,
    `originoffset`, and `originheaders` as JSON.
    """
    headers = _texts(record.headers)
    return Envelope(
        type=LETTER_TYPE,
        key=(record.key or b"").decode(errors="replace"),
        payload=record.value or b"",
        source=f"{source}/{record.topic}/{record.partition}/{record.offset}",
        time=datetime.now(UTC),
        id=f"{record.topic}-{record.partition}-{record.offset}",
        traceparent=headers.get("traceparent", ""),
        extensions=(
            ("reason", reason[:REASON_LENGTH]),
            ("origintopic", record.topic),
            ("originpartition", str(record.partition)),
            ("originoffset", str(record.offset)),
            ("originheaders", json.dumps(headers)),
        ),
    )


def letter_about(envelope: Envelope, *, topic: str, reason: str, source: str) -> Envelope:
    """Write the letter of an event that was taken from `topic` long ago, and then came to nothing.

    It has the shape of `letter_of`, with -1 for partition and offset, and its id and time from the
    event: the same event has the same letter.
    """
    record = _Remembered(topic, envelope.key.encode(), envelope.payload, envelope.headers())
    letter = letter_of(record, reason=reason, source=source)
    return replace(letter, id=f"{topic}-{envelope.id}", time=envelope.time)


def shortened(letter: Envelope) -> Envelope:
    """Cut a letter that no bus would take down to what people need to find the record.

    It says no headers, so that nobody sends what is left of the record again.
    """
    kept = {"originheaders": "{}", "originbytes": str(len(letter.payload))}
    return replace(
        letter,
        key=letter.key[:SHORT_LENGTH],
        payload=letter.payload[:SHORT_LENGTH],
        traceparent="",
        extensions=tuple((dict(letter.extensions) | kept).items()),
    )


def _texts(headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    return {name: (text or b"").decode(errors="replace") for name, text in headers}
