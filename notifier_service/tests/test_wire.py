"""The bytes on the wire, which services of other versions rely on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from notifier_fakes import a_notice

from notifier_service import wire
from notifier_service.domain import Delivery, Outcome, State
from notifier_service.use_cases.records import Page
from tonearm.events.v1 import events_pb2
from tonearm.notifier.v1 import notifier_pb2
from tonearm_chassis.envelope import Envelope, MalformedEvent

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
REQUESTED = "tonearm.events.v1.NotificationRequested"

REQUEST_BYTES = bytes.fromhex(
    "0a02633112026131"  # conversion_id c1, account_id a1
    "1a0f616461406578616d706c652e6f7267"  # recipient_email
    "2002"  # outcome: failed
    "2a05612e6d7034"  # video_filename a.mp4
    "32094e6f20617564696f2e"  # failure_message
    "3a0c08a5ebdcca061080eba5c302"  # end_time
)
DELIVERED_BYTES = bytes.fromhex("0a02633110011a0c08a5ebdcca061080eba5c302")


def envelope(payload: bytes, event_type: str = REQUESTED) -> Envelope:
    return Envelope(
        type=event_type,
        key="c1",
        payload=payload,
        source="/tonearm/gateway",
        time=MOMENT,
        traceparent="00-1-2-01",
    )


def test_a_request_is_read_from_golden_bytes() -> None:
    notice = wire.notice(envelope(REQUEST_BYTES))

    assert (notice.conversion_id, notice.account_id) == ("c1", "a1")
    assert notice.recipient == "ada@example.org"
    assert notice.outcome is Outcome.FAILED
    assert notice.video_filename == "a.mp4"
    assert notice.failure_message == "No audio."
    assert notice.end_time == MOMENT
    assert notice.failure_reason == ""
    assert notice.traceparent == "00-1-2-01"


@pytest.mark.parametrize(
    "message",
    [
        events_pb2.NotificationRequested(conversion_id="c1"),
        events_pb2.NotificationRequested(outcome=events_pb2.OUTCOME_FAILED),
        events_pb2.NotificationRequested(
            conversion_id="../c1\r\n", outcome=events_pb2.OUTCOME_SUCCEEDED
        ),
    ],
    ids=["no outcome", "no conversion", "no id"],
)
def test_a_request_that_does_not_say_what_to_send_is_malformed(
    message: events_pb2.NotificationRequested,
) -> None:
    with pytest.raises(MalformedEvent):
        wire.notice(envelope(message.SerializeToString()))


def test_an_outcome_from_the_future_is_malformed() -> None:
    with pytest.raises(MalformedEvent):
        wire.notice(envelope(REQUEST_BYTES.replace(b"\x20\x02\x2a", b"\x20\x09\x2a")))


def test_bytes_that_are_no_request_are_malformed() -> None:
    with pytest.raises(MalformedEvent):
        wire.notice(envelope(b"\xff\xff"))
    with pytest.raises(MalformedEvent):
        wire.notice(envelope(REQUEST_BYTES, "tonearm.events.v1.ConversionFailed"))


def test_an_announcement_is_written_to_golden_bytes() -> None:
    settled = Delivery.requested(wire.notice(envelope(REQUEST_BYTES)), MOMENT).delivered(MOMENT)

    written = wire.announcement(settled)

    assert written.payload == DELIVERED_BYTES
    assert written.type == "tonearm.events.v1.NotificationDelivered"
    assert (written.key, written.source) == ("c1", "/tonearm/notifier")
    assert written.id == "c1:mail:delivered"


def test_an_announcement_of_a_mail_given_up_says_so() -> None:
    settled = Delivery.requested(a_notice(), MOMENT).abandoned(MOMENT, "no such user")

    written = wire.announcement(settled)

    message = written.open(events_pb2.NotificationDelivered)
    assert not message.delivered
    assert message.deliver_time.ToDatetime(UTC) == MOMENT
    assert written.id.endswith(":mail:abandoned")


def test_every_state_has_its_number_on_the_wire() -> None:
    assert set(wire.STATES) == set(State)
    assert notifier_pb2.Delivery.STATE_UNSPECIFIED not in wire.STATES.values()


def test_a_page_carries_its_token() -> None:
    page = Page((Delivery.requested(a_notice(), MOMENT),), "next")

    message = wire.page_message(page)

    assert message.next_page_token == "next"
    assert message.deliveries[0].create_time.ToDatetime(UTC) == MOMENT
