"""Between protobuf messages and the domain; decides nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from notifier_service.domain import Delivery, InvalidChannel, Notice, Outcome, State
from notifier_service.use_cases import Page
from tonearm.events.v1 import events_pb2
from tonearm.notifier.v1 import notifier_pb2
from tonearm_chassis.envelope import Envelope, MalformedEvent

NOTIFICATIONS_TOPIC = "tonearm.notifications.v1"
EVENTS_TOPIC = "tonearm.conversion-events.v1"
DEAD_LETTERS_TOPIC = "tonearm.dead-letters.v1"
SOURCE = "/tonearm/notifier"
DELETED = events_pb2.ConversionDeleted.DESCRIPTOR.full_name

# Ids become part of a link and of a Message-ID.
ID = re.compile(r"[0-9A-Za-z_-]{1,64}")

OUTCOMES = {
    events_pb2.OUTCOME_SUCCEEDED: Outcome.SUCCEEDED,
    events_pb2.OUTCOME_FAILED: Outcome.FAILED,
}
STATES = {
    State.PENDING: notifier_pb2.Delivery.PENDING,
    State.DELIVERED: notifier_pb2.Delivery.DELIVERED,
    State.ABANDONED: notifier_pb2.Delivery.ABANDONED,
}
CHANNELS = {notifier_pb2.Delivery.CHANNEL_UNSPECIFIED, notifier_pb2.Delivery.MAIL}


def notice(envelope: Envelope) -> Notice:
    """Read a NotificationRequested. Raises `MalformedEvent` if it does not tell what to send."""
    request = envelope.open(events_pb2.NotificationRequested)
    outcome = OUTCOMES.get(request.outcome)
    if outcome is None or not ID.fullmatch(request.conversion_id):
        raise MalformedEvent(f"{envelope.type} without a conversion or an outcome")
    return Notice(
        conversion_id=request.conversion_id,
        account_id=request.account_id,
        recipient=request.recipient_email,
        outcome=outcome,
        video_filename=request.video_filename,
        failure_message=request.failure_message,
        traceparent=envelope.traceparent,
    )


def deleted(envelope: Envelope) -> str:
    """Read which conversion a ConversionDeleted is about. Raises `MalformedEvent`."""
    conversion_id = envelope.open(events_pb2.ConversionDeleted).conversion_id
    if not ID.fullmatch(conversion_id):
        raise MalformedEvent(f"{envelope.type} without a conversion")
    return conversion_id


def redelivered(request: notifier_pb2.RedeliverNoticeRequest) -> str:
    """Read whose notice is to be sent again. Raises `InvalidChannel`."""
    if request.channel not in CHANNELS:
        raise InvalidChannel("channel must be MAIL")
    return request.conversion_id


def confirmation(conversion_id: str, at: datetime) -> Envelope:
    """Write the event that tells that a conversion is forgotten; a repeat has the same id."""
    message = events_pb2.DeletionConfirmed(
        conversion_id=conversion_id, party=events_pb2.PARTY_NOTIFIER
    )
    envelope = Envelope.of(message, key=conversion_id, source=SOURCE, time=at)
    return replace(envelope, id=f"{conversion_id}:forgotten:notifier")


def announcement(settled: Delivery) -> Envelope:
    """Write the event that tells how a delivery ended; a repeat has the same id."""
    delivered = settled.state is State.DELIVERED
    at = settled.settled_at or settled.requested_at
    message = events_pb2.NotificationDelivered(
        conversion_id=settled.notice.conversion_id,
        delivered=delivered,
        deliver_time=timestamp(at),
    )
    envelope = Envelope.of(message, key=settled.notice.conversion_id, source=SOURCE, time=at)
    return replace(envelope, id=f"{settled.key}:{settled.state.value.lower()}")


def page_message(page: Page) -> notifier_pb2.ListDeliveriesResponse:
    """Write a page of deliveries."""
    return notifier_pb2.ListDeliveriesResponse(
        deliveries=[delivery_message(delivery) for delivery in page.deliveries],
        next_page_token=page.next_token,
    )


def delivery_message(delivery: Delivery) -> notifier_pb2.Delivery:
    """Write a delivery; `deliver_time` stays empty unless it was handed over."""
    message = notifier_pb2.Delivery(
        conversion_id=delivery.notice.conversion_id,
        channel=notifier_pb2.Delivery.MAIL,
        state=STATES[delivery.state],
        attempts=delivery.attempts,
        last_error=delivery.last_error,
        create_time=timestamp(delivery.requested_at),
    )
    if delivery.state is State.DELIVERED and delivery.settled_at is not None:
        message.deliver_time.CopyFrom(timestamp(delivery.settled_at))
    return message


def timestamp(moment: datetime) -> Timestamp:
    """Write a moment."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message
