"""Between protobuf and the domain; decides nothing."""

from converter_service.wire.events import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    REQUESTS_TOPIC,
    SEE_OPTIONS,
    SOURCE,
    called_off_id,
    confirmed,
    dead_letter,
    ended,
    engine,
    order,
    progressed,
    started,
)
from converter_service.wire.options import options_message, options_of
from converter_service.wire.sources import source_message

__all__ = [
    "DEAD_LETTERS_TOPIC",
    "EVENTS_TOPIC",
    "REQUESTS_TOPIC",
    "SEE_OPTIONS",
    "SOURCE",
    "called_off_id",
    "confirmed",
    "dead_letter",
    "ended",
    "engine",
    "options_message",
    "options_of",
    "order",
    "progressed",
    "source_message",
    "started",
]
