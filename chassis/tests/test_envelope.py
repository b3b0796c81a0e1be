"""How an event travels: the exact headers, and what is no event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from grpc_health.v1 import health_pb2

from tonearm_chassis.envelope import Envelope, Headers, MalformedEvent

MESSAGE = health_pb2.HealthCheckRequest(service="tonearm")
TYPE = "grpc.health.v1.HealthCheckRequest"
GOLDEN: Headers = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"0123456789abcdef0123456789abcdef"),
    ("ce_source", b"/tonearm/gateway"),
    ("ce_type", TYPE.encode()),
    ("ce_time", b"2026-01-02T03:04:05.678000Z"),
    ("content-type", b"application/protobuf"),
    ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("ce_reason", b"'t was \xc3\xa9mpty"),
]
ENVELOPE = Envelope(
    type=TYPE,
    key="k",
    payload=MESSAGE.SerializeToString(),
    source="/tonearm/gateway",
    time=datetime(2026, 1, 2, 4, 4, 5, 678_000, tzinfo=timezone(timedelta(hours=1))),
    id="0123456789abcdef0123456789abcdef",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    extensions=(("reason", "'t was \N{LATIN SMALL LETTER E WITH ACUTE}mpty"),),
)


def changed(**headers: bytes | None) -> Headers:
    """The golden headers with some replaced, or left out."""
    replaced = {
        name.replace("_type", "-type") if name == "content_type" else name: value
        for name, value in headers.items()
    }
    kept = [(name, replaced.get(name, value)) for name, value in GOLDEN]
    return [(name, value) for name, value in kept if value is not None]


def test_an_event_is_written_as_the_kafka_binding_of_cloudevents_says() -> None:
    assert ENVELOPE.headers() == GOLDEN


def test_a_record_is_read_back_as_it_was_written() -> None:
    read = Envelope.from_record(b"k", ENVELOPE.payload, ENVELOPE.headers())

    assert read == ENVELOPE
    assert read.open(health_pb2.HealthCheckRequest) == MESSAGE


def test_an_envelope_is_made_around_a_message() -> None:
    time = datetime(2026, 1, 2, tzinfo=UTC)

    first = Envelope.of(MESSAGE, key="k", source="/tonearm/x", time=time)
    second = Envelope.of(MESSAGE, key="k", source="/tonearm/x", time=time)

    assert (first.type, first.payload) == (TYPE, MESSAGE.SerializeToString())
    assert first.id != second.id


def test_header_names_are_read_in_any_case() -> None:
    shouted = [(name.upper(), value) for name, value in GOLDEN]

    assert Envelope.from_record(b"k", ENVELOPE.payload, shouted) == ENVELOPE


@pytest.mark.parametrize(
    "headers",
    [
        [],
        changed(ce_id=None),
        changed(ce_type=None),
        changed(ce_specversion=b"0.3"),
        changed(content_type=b"application/json"),
        changed(ce_time=b"yesterday"),
        changed(ce_time=b"2026-01-02T03:04:05"),
        changed(ce_source=b"\xff\xfe"),
    ],
)
def test_what_is_no_event_of_ours_is_malformed(headers: Headers) -> None:
    with pytest.raises(MalformedEvent):
        Envelope.from_record(b"k", b"", headers)


def test_a_key_that_is_no_text_is_malformed() -> None:
    with pytest.raises(MalformedEvent):
        Envelope.from_record(b"\xff", b"", GOLDEN)


def test_a_message_of_another_class_is_not_taken_out() -> None:
    with pytest.raises(MalformedEvent):
        ENVELOPE.open(health_pb2.HealthCheckResponse)


def test_a_payload_that_is_no_message_is_malformed() -> None:
    read = Envelope.from_record(b"k", b"\xff\xff", GOLDEN)

    with pytest.raises(MalformedEvent):
        read.open(health_pb2.HealthCheckRequest)
