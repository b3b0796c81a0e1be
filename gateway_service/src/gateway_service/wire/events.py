"""Write the events that ask others for something; decides nothing."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from google.protobuf.message import Message

from gateway_service.domain import (
    Awaited,
    Conversion,
    State,
)
from gateway_service.wire.options import options_message
from gateway_service.wire.times import optional_timestamp, timestamp
from tonearm.events.v1 import events_pb2
from tonearm_chassis.envelope import Envelope

SOURCE = "/tonearm/gateway"
REQUESTS_TOPIC = "tonearm.conversion-requests.v1"
EVENTS_TOPIC = "tonearm.conversion-events.v1"
NOTIFICATIONS_TOPIC = "tonearm.notifications.v1"
DEAD_LETTERS_TOPIC = "tonearm.dead-letters.v1"
SEE_OPTIONS = -1
"""A bit rate that there is not: a converter of version 0.1 refuses it."""


def requested_event(conversion: Conversion, now: datetime) -> Envelope:
    """Write the request to convert."""
    options = conversion.options
    event = events_pb2.ConversionRequested(
        conversion_id=conversion.id,
        account_id=conversion.owner.account_id,
        video_id=conversion.video.id,
        size_bytes=conversion.video.size_bytes,
        sha256=conversion.video.sha256,
        bitrate_kbps=options.bitrate_kbps if options.is_bit_rate_alone else SEE_OPTIONS,
        create_time=timestamp(conversion.create_time),
        fence_floor=conversion.fence,
        options=None if options.is_bit_rate_alone else options_message(options),
    )
    return _envelope(event, conversion, now)


def notification_event(conversion: Conversion, now: datetime) -> Envelope:
    """Write the request to tell the owner how it ended."""
    succeeded = conversion.state is State.SUCCEEDED
    event = events_pb2.NotificationRequested(
        conversion_id=conversion.id,
        account_id=conversion.owner.account_id,
        recipient_email=conversion.owner.email,
        outcome=events_pb2.OUTCOME_SUCCEEDED if succeeded else events_pb2.OUTCOME_FAILED,
        video_filename=conversion.video.filename,
        failure_message=conversion.failure.message if conversion.failure else "",
        failure_reason=conversion.failure.reason if conversion.failure else "",
        end_time=optional_timestamp(conversion.end_time),
    )
    return _envelope(event, conversion, now)


def promise(conversion: Conversion, awaited: Awaited, now: datetime) -> tuple[str, Envelope]:
    """Write the event that asks for what a conversion waits for, and name its topic."""
    match awaited:
        case Awaited.OUTCOME:
            return REQUESTS_TOPIC, requested_event(conversion, now)
        case Awaited.NOTICE:
            return NOTIFICATIONS_TOPIC, notification_event(conversion, now)
        case Awaited.CANCELLATION:
            cancelled = events_pb2.ConversionCancelled(conversion_id=conversion.id)
            return REQUESTS_TOPIC, _envelope(cancelled, conversion, now)
        case Awaited.DELETION_BY_CONVERTER | Awaited.DELETION_BY_NOTIFIER:
            to_converter = awaited is Awaited.DELETION_BY_CONVERTER
            deleted = events_pb2.ConversionDeleted(conversion_id=conversion.id)
            topic = REQUESTS_TOPIC if to_converter else NOTIFICATIONS_TOPIC
            return topic, _envelope(deleted, conversion, now)
        case _:
            assert_never(awaited)


def _envelope(event: Message, conversion: Conversion, now: datetime) -> Envelope:
    return Envelope.of(event, key=conversion.id, source=SOURCE, time=now)
