"""Options from the gateway's request to the converter's order: the same on both sides, for good."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf import json_format

import converter_service.wire
import gateway_service.wire
from gateway_service.domain import (
    AccountId,
    Conversion,
    ConversionId,
    InvalidOption,
    Owner,
    Video,
    VideoId,
)
from gateway_service.wire.options import options_of
from tonearm.events.v1 import events_pb2
from tonearm.gateway.v1 import conversion_pb2
from tonearm_chassis.envelope import MalformedEvent

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOLDEN: list[tuple[dict[str, Any], str, int]] = [
    ({}, '{"format":"mp3","vbr_quality":2}', 0),
    ({"preset": "STANDARD"}, '{"format":"mp3","vbr_quality":2}', 0),
    ({"vbr_quality": 2, "copy": "AUTO"}, '{"format":"mp3","vbr_quality":2}', 0),
    ({"bitrate_kbps": 192}, '{"bitrate_kbps":192,"format":"mp3"}', 192),
    ({"preset": "BEST"}, '{"format":"mp3","vbr_quality":0}', -1),
    ({"preset": "FAST"}, '{"effort":7,"format":"mp3","vbr_quality":4}', -1),
    ({"preset": "SMALL"}, '{"format":"mp3","vbr_quality":4}', -1),
    ({"format": "AAC"}, '{"bitrate_kbps":160,"format":"aac"}', -1),
    ({"format": "OPUS", "preset": "BEST"}, '{"bitrate_kbps":192,"format":"opus"}', -1),
    ({"format": "FLAC", "copy": "NEVER"}, '{"format":"flac"}', -1),
    ({"format": "WAV", "channels": 1}, '{"channels":1,"format":"wav"}', -1),
    (
        {"trim": {"start": "1.000000001s", "end_sample": "96000"}},
        '{"format":"mp3","trim":{"end_sample":96000,"start_ns":1000000001},"vbr_quality":2}',
        -1,
    ),
    (
        {"track": {"index": 0}, "sample_rate_hz": 44100},
        '{"format":"mp3","sample_rate_hz":44100,"track":{"index":0},"vbr_quality":2}',
        -1,
    ),
    (
        {"track": {"language": "deu"}, "copy": "NEVER"},
        '{"copying":"never","format":"mp3","track":{"language":"deu"},"vbr_quality":2}',
        -1,
    ),
    (
        {"loudness": {}},
        '{"format":"mp3","loudness":{"target_lufs":-16.0,"true_peak_dbtp":-1.0},"vbr_quality":2}',
        -1,
    ),
    (
        {"tags": {"origin": "NOTHING", "title": "\u00e9", "artist": "b"}, "chapters": "DROP"},
        (
            '{"chapters":"drop","format":"mp3","tags":{"given":[["artist","b"],'
            '["title","\\u00e9"]],"origin":"nothing"},"vbr_quality":2}'
        ),
        -1,
    ),
    ({"cover": "NO_COVER"}, '{"cover":"none","format":"mp3","vbr_quality":2}', -1),
]


def message_of(said: dict[str, Any]) -> conversion_pb2.AudioOptions:
    """Read options from JSON."""
    return json_format.ParseDict(said, conversion_pb2.AudioOptions())


def requested(message: conversion_pb2.AudioOptions) -> events_pb2.ConversionRequested:
    """Write the event for a conversion with these options."""
    conversion = Conversion(
        id=ConversionId("c" * 32),
        owner=Owner(AccountId("a"), "a@example.org"),
        video=Video(VideoId("v"), "v.mp4", 1, "ab" * 32),
        options=options_of(message),
        create_time=MOMENT,
        sign_time=MOMENT,
    )
    envelope = gateway_service.wire.requested_event(conversion, MOMENT)
    return envelope.open(events_pb2.ConversionRequested)


@pytest.mark.parametrize(("said", "canonical", "old_bitrate"), GOLDEN, ids=str)
def test_options_have_this_very_form_on_both_sides(
    said: dict[str, Any], canonical: str, old_bitrate: int
) -> None:
    message = message_of(said)

    event = requested(message)
    order = converter_service.wire.order(event)

    assert options_of(message).canonical() == canonical
    assert order.options.canonical() == canonical
    assert event.bitrate_kbps == old_bitrate
    assert event.HasField("options") == (old_bitrate == -1)


@pytest.mark.parametrize("said", [said for said, _, _ in GOLDEN], ids=str)
def test_what_an_owner_reads_can_be_asked_for_again(said: dict[str, Any]) -> None:
    options = options_of(message_of(said))

    again = options_of(gateway_service.wire.options_message(options))

    assert again.canonical() == options.canonical()


def test_an_order_of_version_0_1_is_carried_out() -> None:
    event = requested(message_of({"bitrate_kbps": 128}))

    assert not event.HasField("options")
    assert converter_service.wire.order(event).options.bitrate_kbps == 128


def test_an_order_that_sends_its_reader_to_options_that_are_lost_is_refused() -> None:
    event = requested(message_of({"preset": "BEST"}))
    event.ClearField("options")  # as a gateway of version 0.1 writes its reminder

    with pytest.raises(MalformedEvent):
        converter_service.wire.order(event)


@pytest.mark.parametrize("inside", ["", "trim"])
def test_options_that_a_converter_does_not_know_are_not_left_out(inside: str) -> None:
    event = requested(message_of({"trim": {"start": "1s"}}))
    of = getattr(event.options, inside) if inside else event.options
    of.MergeFromString(bytes.fromhex("c03e01"))  # field 1000, the number 1

    with pytest.raises(MalformedEvent):
        converter_service.wire.order(event)


@pytest.mark.parametrize(
    "said",
    [
        {"vbr_quality": 10},
        {"bitrate_kbps": -8},
        {"sample_rate_hz": -1},
        {"channels": 3},
        {"track": {"index": -1}},
        {"trim": {"start_sample": "-1"}},
        {"trim": {"end": "-0.5s"}},
        {"loudness": {"target_lufs": "NaN"}},
    ],
    ids=str,
)
def test_what_no_gateway_sends_is_no_order(said: dict[str, Any]) -> None:
    event = requested(message_of({"preset": "BEST"}))
    event.options.CopyFrom(message_of(said))

    with pytest.raises(MalformedEvent):
        converter_service.wire.order(event)


def test_values_that_a_service_does_not_know_are_refused() -> None:
    message = conversion_pb2.AudioOptions(format=99)  # type: ignore[arg-type] # of a later version
    event = requested(message_of({"preset": "BEST"}))
    event.options.format = 99  # type: ignore[assignment] # the same

    with pytest.raises(InvalidOption):
        options_of(message)
    with pytest.raises(MalformedEvent):
        converter_service.wire.order(event)
