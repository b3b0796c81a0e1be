"""Between protobuf messages and the domain; decides nothing."""

from __future__ import annotations

from gateway_service.wire.events import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    NOTIFICATIONS_TOPIC,
    REQUESTS_TOPIC,
    SOURCE,
    notification_event,
    promise,
    requested_event,
)
from gateway_service.wire.messages import (
    conversion_message,
    declaration,
    listed_message,
    page_start,
    page_token,
)
from gateway_service.wire.news import change_of
from gateway_service.wire.options import options_message, options_of
from gateway_service.wire.times import moment, timestamp
from gateway_service.wire.waveforms import waveform_json, waveform_png

__all__ = [
    "DEAD_LETTERS_TOPIC",
    "EVENTS_TOPIC",
    "NOTIFICATIONS_TOPIC",
    "REQUESTS_TOPIC",
    "SOURCE",
    "change_of",
    "conversion_message",
    "declaration",
    "listed_message",
    "moment",
    "notification_event",
    "options_message",
    "options_of",
    "page_start",
    "page_token",
    "promise",
    "requested_event",
    "timestamp",
    "waveform_json",
    "waveform_png",
]
