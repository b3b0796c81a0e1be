"""Between messages and the domain."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from gateway_fakes import AUDIO, new_conversion
from google.protobuf.json_format import MessageToDict

from gateway_service import wire
from gateway_service.domain import (
    Awaited,
    CancellationConfirmed,
    Change,
    ConversionId,
    DeletionConfirmed,
    Failed,
    Failure,
    InvalidPageToken,
    Notified,
    PageStart,
    Party,
    Progressed,
    Started,
    Succeeded,
)
from tonearm.events.v1 import events_pb2
from tonearm.gateway.v1 import source_pb2
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.testing.clock import START


def test_what_a_converter_says_of_a_source_is_passed_on_but_not_in_lists() -> None:
    source = source_pb2.Source(container="mov", tags={"title": "t"})
    source.MergeFromString(bytes.fromhex("c03e01"))  # of a later version: field 1000
    event = events_pb2.ConversionSucceeded(conversion_id="c1", source=source)
    news = wire.change_of(Envelope.of(event, key="c1", source="/test", time=START))[1]
    assert isinstance(news, Succeeded)

    ended = new_conversion().after(news, START)

    assert ended is not None
    assert wire.conversion_message(ended).source == source
    assert not wire.listed_message(ended).HasField("source")


def test_a_source_that_is_far_too_long_is_left_out() -> None:
    source = source_pb2.Source(container="m" * 600_000)
    event = events_pb2.ConversionSucceeded(conversion_id="c1", source=source)

    news = wire.change_of(Envelope.of(event, key="c1", source="/test", time=START))[1]

    assert isinstance(news, Succeeded)
    assert news.source is None


def test_a_page_start_survives_its_token() -> None:
    start = PageStart(START + timedelta(milliseconds=7), ConversionId("c1"))

    assert wire.page_start(wire.page_token(start)) == start
    assert wire.page_start(wire.page_token(None)) is None


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "????",
        encoded("not json"),
        encoded("[]"),
        encoded('["a", "b"]'),
        "ê",
        encoded('["0001-01-01T00:00:00+23:59", "c1"]'),
        encoded('["2026-01-01T00:00:00+00:00", "\\ud800"]'),
        encoded("[" * 100_000),
    ],
    ids=lambda token: token[:20],
)
def test_a_token_that_was_not_made_here_is_refused(token: str) -> None:
    with pytest.raises(InvalidPageToken):
        wire.page_start(token)


@pytest.mark.parametrize(
    ("event", "change"),
    [
        (
            events_pb2.ConversionStarted(
                conversion_id="c1", fence=2, start_time=wire.timestamp(START)
            ),
            Started(2, START),
        ),
        (
            events_pb2.ConversionProgressed(conversion_id="c1", fence=2, progress=0.5),
            Progressed(2, 0.5),
        ),
        (
            events_pb2.ConversionFailed(
                conversion_id="c1",
                fence=2,
                reason=events_pb2.FAILURE_REASON_NO_AUDIO,
                message="The video has no sound.",
                end_time=wire.timestamp(START),
            ),
            Failed(2, Failure("NO_AUDIO", "The video has no sound."), START),
        ),
        (events_pb2.NotificationDelivered(conversion_id="c1", delivered=True), Notified()),
        (events_pb2.CancellationConfirmed(conversion_id="c1"), CancellationConfirmed()),
        (
            events_pb2.DeletionConfirmed(conversion_id="c1", party=events_pb2.PARTY_NOTIFIER),
            DeletionConfirmed(Party.NOTIFIER),
        ),
    ],
)
def test_news_is_read_as_the_change_it_tells_of(
    event: events_pb2.ConversionStarted, change: Change
) -> None:
    envelope = Envelope.of(event, key="c1", source="/test", time=START)

    assert wire.change_of(envelope) == ("c1", change)


def test_a_failure_for_a_reason_of_tomorrow_is_a_failure() -> None:
    event = events_pb2.ConversionFailed(
        conversion_id="c1", fence=2, message="A new kind.", end_time=wire.timestamp(START)
    )
    tomorrow = Envelope.of(event, key="c1", source="/test", time=START)
    # Field 3 (reason), as a number that this version has no name for.
    tomorrow = replace(tomorrow, payload=tomorrow.payload + b"\x18\xe7\x07")

    assert wire.change_of(tomorrow) == (
        "c1",
        Failed(2, Failure("UNSPECIFIED", "A new kind."), START),
    )


def test_success_carries_the_audio() -> None:
    event = events_pb2.ConversionSucceeded(
        conversion_id="c1",
        fence=2,
        audio_id=AUDIO.id,
        size_bytes=AUDIO.size_bytes,
        sha256=AUDIO.sha256,
        sample_rate_hz=AUDIO.sample_rate_hz,
        channels=AUDIO.channels,
        peak_dbfs=AUDIO.peak_dbfs,
        engine=AUDIO.engine,
        end_time=wire.timestamp(START),
    )
    event.duration.FromTimedelta(AUDIO.duration)

    envelope = Envelope.of(event, key="c1", source="/test", time=START)

    assert wire.change_of(envelope) == ("c1", Succeeded(2, AUDIO, START))


def test_an_event_of_another_kind_is_malformed() -> None:
    event = events_pb2.ConversionRequested(conversion_id="c1")

    with pytest.raises(MalformedEvent):
        wire.change_of(Envelope.of(event, key="c1", source="/test", time=START))


def test_a_confirmation_of_nobody_is_malformed() -> None:
    event = events_pb2.DeletionConfirmed(conversion_id="c1")

    with pytest.raises(MalformedEvent):
        wire.change_of(Envelope.of(event, key="c1", source="/test", time=START))


@pytest.mark.parametrize(
    ("awaited", "topic", "kind"),
    [
        (Awaited.OUTCOME, wire.REQUESTS_TOPIC, "ConversionRequested"),
        (Awaited.NOTICE, wire.NOTIFICATIONS_TOPIC, "NotificationRequested"),
        (Awaited.CANCELLATION, wire.REQUESTS_TOPIC, "ConversionCancelled"),
        (Awaited.DELETION_BY_CONVERTER, wire.REQUESTS_TOPIC, "ConversionDeleted"),
        (Awaited.DELETION_BY_NOTIFIER, wire.NOTIFICATIONS_TOPIC, "ConversionDeleted"),
    ],
)
def test_whatever_is_awaited_has_an_event_that_asks_for_it(
    awaited: Awaited, topic: str, kind: str
) -> None:
    conversion = new_conversion()

    promised_topic, envelope = wire.promise(conversion, awaited, START)

    assert (promised_topic, envelope.type) == (topic, f"tonearm.events.v1.{kind}")
    assert envelope.key == conversion.id


def test_a_conversion_says_what_it_repeats_and_how_long_its_files_are_kept() -> None:
    conversion = replace(
        new_conversion(),
        retry_of=ConversionId("c0"),
        video_expire_time=START,
        audio_expire_time=START,
    )

    message = wire.conversion_message(conversion)

    assert message.retry_of == "c0"
    assert message.video_expire_time == message.audio_expire_time == wire.timestamp(START)


def test_the_request_to_convert_has_these_very_bytes() -> None:
    conversion = new_conversion()
    envelope = wire.requested_event(conversion, START)

    assert envelope.type == "tonearm.events.v1.ConversionRequested"
    assert envelope.payload == (
        b"\x0a\x20"
        + conversion.id.encode()
        + b"\x12\x03ada"
        + b"\x1a\x20"
        + conversion.video.id.encode()
        + b"\x20\xe8\x07"
        + b"\x2a\x40"
        + b"cd" * 32
        + b"\x30\xc0\x01"
        + b"\x3a\x06\x08"
        + bytes.fromhex("a5ebdcca06")
    )


def test_a_failed_conversion_shows_a_status_with_a_reason() -> None:
    failed = new_conversion().after(
        Failed(1, Failure("NO_AUDIO", "The video has no sound."), START), START
    )
    assert failed is not None

    message = MessageToDict(wire.conversion_message(failed), preserving_proto_field_name=True)

    assert message["state"] == "FAILED"
    assert message["error"]["message"] == "The video has no sound."
    assert message["error"]["details"][0]["reason"] == "NO_AUDIO"
    assert "audio" not in message
