"""Between protobuf messages and the domain; decides nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp

from notifier_service.domain import (
    BY_MAIL,
    Channel,
    Delivery,
    InvalidChannel,
    Notice,
    Outcome,
    Route,
    State,
    Webhook,
    WebhookState,
)
from notifier_service.use_cases.records import Page
from notifier_service.use_cases.webhooks import WebhookPage
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
CHANNELS = {
    Channel.MAIL: notifier_pb2.Delivery.MAIL,
    Channel.WEBHOOK: notifier_pb2.Delivery.WEBHOOK,
}
WEBHOOK_STATES = {
    WebhookState.ENABLED: notifier_pb2.Webhook.ENABLED,
    WebhookState.DISABLED: notifier_pb2.Webhook.DISABLED,
}
# Standard Webhooks wants bodies below 20 kB. A character takes four bytes at most.
LONGEST_TEXT = 1024


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
        failure_reason=request.failure_reason,
        end_time=moment(request.end_time) if request.HasField("end_time") else None,
        traceparent=envelope.traceparent,
    )


def deleted(envelope: Envelope) -> str:
    """Read which conversion a ConversionDeleted is about. Raises `MalformedEvent`."""
    conversion_id = envelope.open(events_pb2.ConversionDeleted).conversion_id
    if not ID.fullmatch(conversion_id):
        raise MalformedEvent(f"{envelope.type} without a conversion")
    return conversion_id


def redelivered(request: notifier_pb2.RedeliverNoticeRequest) -> Route:
    """Read which way the notice is to be sent again. Raises `InvalidChannel`."""
    route = Route.to_webhook(request.webhook_id) if request.webhook_id else BY_MAIL
    if request.channel not in {
        notifier_pb2.Delivery.CHANNEL_UNSPECIFIED,
        CHANNELS[route.channel],
    }:
        raise InvalidChannel("channel must be MAIL, or WEBHOOK with a webhook_id")
    return route


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
        channel=CHANNELS[delivery.route.channel],
        webhook_id=delivery.route.webhook_id,
        state=STATES[delivery.state],
        attempts=delivery.attempts,
        last_error=delivery.last_error,
        create_time=timestamp(delivery.requested_at),
    )
    if delivery.state is State.DELIVERED and delivery.settled_at is not None:
        message.deliver_time.CopyFrom(timestamp(delivery.settled_at))
    return message


def webhook_body(delivery: Delivery) -> bytes:
    """Write what an endpoint is sent: below 20 kB, and always the same for one delivery."""
    notice = delivery.notice
    ended = timestamp(notice.end_time or delivery.requested_at)
    message = notifier_pb2.WebhookEvent(
        type=f"conversion.{notice.outcome.value.lower()}",
        timestamp=ended,
        data=notifier_pb2.ConversionEnd(
            conversion_id=notice.conversion_id,
            state=notice.outcome.value,
            end_time=ended,
            error_reason=notice.failure_reason,
            error_message=notice.failure_message[:LONGEST_TEXT],
            video_filename=notice.video_filename[:LONGEST_TEXT],
        ),
    )
    text = MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        indent=None,
        ensure_ascii=False,
    )
    return text.encode()


def webhook_page_message(page: WebhookPage) -> notifier_pb2.ListWebhooksResponse:
    """Write a page of webhooks."""
    return notifier_pb2.ListWebhooksResponse(
        webhooks=[webhook_message(webhook) for webhook in page.webhooks],
        next_page_token=page.next_token,
    )


def webhook_message(webhook: Webhook) -> notifier_pb2.Webhook:
    """Write a webhook without its secret."""
    return notifier_pb2.Webhook(
        id=webhook.id,
        url=webhook.url,
        state=WEBHOOK_STATES[webhook.state],
        disable_reason=webhook.disable_reason,
        create_time=timestamp(webhook.create_time),
    )


def secret_webhook_message(webhook: Webhook) -> notifier_pb2.Webhook:
    """Write a webhook with the secret that is in force."""
    message = webhook_message(webhook)
    message.secret = webhook.secrets[0].text
    return message


def timestamp(moment: datetime) -> Timestamp:
    """Write a moment."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def moment(message: Timestamp) -> datetime:
    """Read a moment."""
    return message.ToDatetime(tzinfo=UTC)
