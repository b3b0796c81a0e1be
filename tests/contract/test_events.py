"""The events' bytes and topics: what one service writes today, another must read tomorrow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

import converter_service.wire
import gateway_service.wire
import notifier_service.wire
from tonearm.events.v1 import events_pb2
from tonearm_chassis.envelope import Envelope

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
TIME = Timestamp()
TIME.FromDatetime(MOMENT)
LENGTH = Duration()
LENGTH.FromTimedelta(timedelta(seconds=30, milliseconds=24))

GOLDEN = [
    (
        events_pb2.ConversionRequested(
            conversion_id="c",
            account_id="a",
            video_id="v",
            size_bytes=300,
            sha256="5",
            bitrate_kbps=192,
            create_time=TIME,
            fence_floor=2,
        ),
        "0a01631201611a017620ac022a013530c0013a0c08a5ebdcca061080eba5c3024002",
    ),
    (events_pb2.ConversionCancelled(conversion_id="c"), "0a0163"),
    (events_pb2.CancellationConfirmed(conversion_id="c"), "0a0163"),
    (events_pb2.ConversionDeleted(conversion_id="c"), "0a0163"),
    (
        events_pb2.DeletionConfirmed(conversion_id="c", party=events_pb2.PARTY_NOTIFIER),
        "0a01631002",
    ),
    (
        events_pb2.ConversionStarted(conversion_id="c", fence=2, start_time=TIME),
        "0a016310021a0c08a5ebdcca061080eba5c302",
    ),
    (
        events_pb2.ConversionProgressed(conversion_id="c", fence=2, progress=0.5),
        "0a0163100219000000000000e03f",
    ),
    (
        events_pb2.ConversionSucceeded(
            conversion_id="c",
            fence=2,
            audio_id="a",
            size_bytes=300,
            sha256="5",
            duration=LENGTH,
            sample_rate_hz=44100,
            channels=2,
            peak_dbfs=-1.5,
            engine="e",
            end_time=TIME,
        ),
        (
            "0a016310021a016120ac022a01353207081e1080ecb80b38c4d802400249000000000000f8bf"
            "5201655a0c08a5ebdcca061080eba5c302"
        ),
    ),
    (
        events_pb2.ConversionFailed(
            conversion_id="c",
            fence=2,
            reason=events_pb2.FAILURE_REASON_TRUNCATED_VIDEO,
            message="m",
            end_time=TIME,
        ),
        "0a01631002180322016d2a0c08a5ebdcca061080eba5c302",
    ),
    (
        events_pb2.NotificationRequested(
            conversion_id="c",
            account_id="a",
            recipient_email="e",
            outcome=events_pb2.OUTCOME_FAILED,
            video_filename="v",
            failure_message="m",
            end_time=TIME,
        ),
        "0a01631201611a016520022a017632016d3a0c08a5ebdcca061080eba5c302",
    ),
    (
        events_pb2.NotificationDelivered(conversion_id="c", delivered=True, deliver_time=TIME),
        "0a016310011a0c08a5ebdcca061080eba5c302",
    ),
]


@pytest.mark.parametrize(
    ("event", "golden"), GOLDEN, ids=[type(event).__name__ for event, _ in GOLDEN]
)
def test_an_event_has_these_very_bytes(event: Message, golden: str) -> None:
    envelope = Envelope.of(event, key="c", source="/test", time=MOMENT)

    assert envelope.payload.hex() == golden
    assert envelope.open(type(event)) == event


def test_every_event_has_golden_bytes() -> None:
    named = {type(event).DESCRIPTOR.full_name for event, _ in GOLDEN}

    assert named == {
        message.full_name for message in events_pb2.DESCRIPTOR.message_types_by_name.values()
    }


def test_an_envelope_has_these_very_headers() -> None:
    envelope = Envelope.of(
        events_pb2.ConversionCancelled(conversion_id="c"), key="c", source="/test", time=MOMENT
    )

    headers = dict(envelope.headers())

    assert headers.pop("ce_id") == envelope.id.encode()
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_source": b"/test",
        "ce_type": b"tonearm.events.v1.ConversionCancelled",
        "ce_time": b"2026-01-02T03:04:05.678000Z",
        "content-type": b"application/protobuf",
    }


def test_the_services_mean_the_same_topics() -> None:
    gateway, converter, notifier = (
        gateway_service.wire,
        converter_service.wire,
        notifier_service.wire,
    )

    assert gateway.REQUESTS_TOPIC == converter.REQUESTS_TOPIC
    assert gateway.EVENTS_TOPIC == converter.EVENTS_TOPIC == notifier.EVENTS_TOPIC
    assert gateway.NOTIFICATIONS_TOPIC == notifier.NOTIFICATIONS_TOPIC
    assert gateway.DEAD_LETTERS_TOPIC == converter.DEAD_LETTERS_TOPIC
    assert gateway.DEAD_LETTERS_TOPIC == notifier.DEAD_LETTERS_TOPIC
