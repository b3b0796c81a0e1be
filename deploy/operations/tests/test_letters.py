"""A letter says what it can, and gives back the record it is about."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from tonearm_operations.letters import Choice, Letter, Original, Unreplayable

ORIGINAL = {"ce_type": "tonearm.events.v1.ConversionRequested", "ce_id": "event", "x": "ü"}
LETTER = {
    "ce_id": "tonearm.conversion-requests.v1-3-7",
    "ce_reason": "MalformedEvent('x')",
    "ce_origintopic": "tonearm.conversion-requests.v1",
    "ce_originpartition": "3",
    "ce_originoffset": "7",
    "ce_originheaders": json.dumps(ORIGINAL),
}


@dataclass
class Record:
    """A record as kafka-python gives it."""

    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    key: bytes | None = b"conversion"
    value: bytes | None = b"\xff\x00"
    partition: int = 1
    offset: int = 42
    timestamp: int = 1_767_323_045_000


def letter(**changes: str) -> Letter:
    """Read a letter as the chassis writes it, but for `changes`."""
    texts = LETTER | {f"ce_{name}": text for name, text in changes.items()}
    return Letter.read(Record([(name, text.encode()) for name, text in texts.items()]))


def test_a_letter_tells_where_its_record_came_from_and_why_it_is_here() -> None:
    line = letter().line()

    assert line == (
        "tonearm.conversion-requests.v1-3-7 2026-01-02T03:04:05+00:00"
        " tonearm.conversion-requests.v1/3/7 tonearm.events.v1.ConversionRequested conversion:"
        " MalformedEvent('x')"
    )


def test_a_letter_is_an_object_for_programs() -> None:
    told = json.loads(letter().json_line())

    assert told["id"] == "tonearm.conversion-requests.v1-3-7"
    assert told["conversion_id"] == "conversion"
    assert told["type"] == "tonearm.events.v1.ConversionRequested"
    assert told["time"] == "2026-01-02T03:04:05.000+00:00"


def test_the_original_is_given_back_byte_by_byte() -> None:
    headers = [(name, text.encode()) for name, text in ORIGINAL.items()]

    assert letter().original() == Original(
        "tonearm.conversion-requests.v1", b"conversion", b"\xff\x00", headers
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"origintopic": ""},
        {"origintopic": "somebody.elses"},
        {"origintopic": "tonearm.dead-letters.v1"},
        {"originheaders": ""},
        {"originheaders": "{"},
        {"originheaders": "[1]"},
        {"originheaders": "{}"},
    ],
)
def test_what_does_not_tell_its_origin_cannot_be_replayed(changes: dict[str, str]) -> None:
    with pytest.raises(Unreplayable):
        letter(**changes).original()


def test_half_a_character_in_a_header_is_sent_as_a_question_mark() -> None:
    headers = letter(originheaders='{"x": "\\ud800"}').original().headers

    assert headers == [("x", b"?")]


@pytest.mark.parametrize(
    "record",
    [
        Record(),
        Record(key=None, value=None, timestamp=-1),
        Record(headers=[("\x1b[2J", b"\xff\xfe"), ("ce_reason", None)], key=b"\xff\n"),
        Record(headers=[("ce_originheaders", b"\xff{"), ("ce_id", b"a\nb")]),
    ],
)
def test_garbage_is_a_line_too(record: Record) -> None:
    read = Letter.read(record)

    assert len(read.line().splitlines()) == 1
    assert read.line().isprintable()
    assert json.loads(read.json_line())["place"] == "1@42"


def test_a_letter_without_an_id_is_called_after_its_place() -> None:
    assert Letter.read(Record()).id == "1@42"


def test_a_choice_is_by_id_and_by_reason() -> None:
    this, other = letter(), letter(id="other", reason="Something else")

    assert [Choice().takes(each) for each in (this, other)] == [True, True]
    assert [Choice(ids=["other"]).takes(each) for each in (this, other)] == [False, True]
    assert Choice(reason_contains="malformed").takes(this)
    assert not Choice(ids=[this.id], reason_contains="else").takes(this)
