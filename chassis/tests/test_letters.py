"""What a dead letter tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from tonearm_chassis.envelope import Envelope
from tonearm_chassis.letters import REASON_LENGTH, letter_about

EVENT = Envelope(
    type="tonearm.events.v1.ConversionRequested",
    key="c",
    payload=b"payload",
    source="/tonearm/gateway",
    time=datetime(2026, 1, 2, tzinfo=UTC),
    traceparent="00-1-2-01",
)


def test_the_letter_about_an_event_holds_all_that_a_replay_needs() -> None:
    letter = letter_about(EVENT, topic="orders", reason="no luck", source="/me")

    told = dict(letter.extensions)
    headers = json.loads(told["originheaders"])
    replayed = Envelope.from_record(
        letter.key.encode(), letter.payload, [(name, headers[name].encode()) for name in headers]
    )
    assert replayed == EVENT
    assert (told["reason"], told["origintopic"]) == ("no luck", "orders")
    assert (told["originpartition"], told["originoffset"]) == ("-1", "-1")


def test_the_same_event_has_the_same_letter() -> None:
    letters = {
        letter_about(EVENT, topic="orders", reason="no luck", source="/me") for _ in range(2)
    }

    assert len(letters) == 1


def test_a_reason_that_is_too_long_is_cut() -> None:
    letter = letter_about(EVENT, topic="orders", reason="x" * 10_000, source="/me")

    assert dict(letter.extensions)["reason"] == "x" * REASON_LENGTH
