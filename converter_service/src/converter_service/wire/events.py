"""Between events and the domain; decides nothing."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from converter_service.domain import (
    BIT_RATES_KBPS,
    Claim,
    ConversionId,
    Ending,
    Failed,
    FailureReason,
    Options,
    Order,
    Outcome,
    Succeeded,
    VideoId,
)
from converter_service.wire.options import options_message, options_of
from converter_service.wire.sources import loudness_message, source_message
from tonearm.converter.v1 import converter_pb2
from tonearm.events.v1 import events_pb2
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.letters import letter_about

REQUESTS_TOPIC = "tonearm.conversion-requests.v1"
EVENTS_TOPIC = "tonearm.conversion-events.v1"
DEAD_LETTERS_TOPIC = "tonearm.dead-letters.v1"
SEE_OPTIONS = -1
"""A bit rate that there is not: a converter of version 0.1 refuses it."""
SOURCE = "/tonearm/converter"

# Far beyond any honest number, and far below where 64 bits end.
HIGHEST_FLOOR = 2**53
IDENTIFIER = re.compile(r"[0-9a-f]{32}")
SHA256 = re.compile(r"[0-9a-f]{64}")
REASONS = {
    FailureReason.UNREADABLE_VIDEO: events_pb2.FAILURE_REASON_UNREADABLE_VIDEO,
    FailureReason.NO_AUDIO: events_pb2.FAILURE_REASON_NO_AUDIO,
    FailureReason.TRUNCATED_VIDEO: events_pb2.FAILURE_REASON_TRUNCATED_VIDEO,
    FailureReason.VIDEO_LOST: events_pb2.FAILURE_REASON_VIDEO_LOST,
    FailureReason.TIMED_OUT: events_pb2.FAILURE_REASON_TIMED_OUT,
    FailureReason.ENGINE_FAILED: events_pb2.FAILURE_REASON_ENGINE_FAILED,
    FailureReason.STORAGE_FULL: events_pb2.FAILURE_REASON_STORAGE_FULL,
    FailureReason.NO_SUCH_TRACK: events_pb2.FAILURE_REASON_NO_SUCH_TRACK,
    FailureReason.NOTHING_LEFT: events_pb2.FAILURE_REASON_NOTHING_LEFT,
    FailureReason.VIDEO_TOO_LONG: events_pb2.FAILURE_REASON_VIDEO_TOO_LONG,
    FailureReason.OUT_OF_PROPORTION: events_pb2.FAILURE_REASON_OUT_OF_PROPORTION,
    FailureReason.AUDIO_TOO_LARGE: events_pb2.FAILURE_REASON_AUDIO_TOO_LARGE,
}


def order(message: events_pb2.ConversionRequested) -> Order:
    """Read an order. Raises `MalformedEvent` if it is none."""
    _require(IDENTIFIER.fullmatch(message.conversion_id) is not None, "conversion_id")
    _require(bool(message.video_id), "video_id")
    _require(SHA256.fullmatch(message.sha256) is not None, "sha256")
    _require(0 <= message.fence_floor < HIGHEST_FLOOR, "fence_floor")
    return Order(
        conversion_id=ConversionId(message.conversion_id),
        video_id=VideoId(message.video_id),
        size_bytes=message.size_bytes,
        sha256=message.sha256,
        options=_options(message),
        create_time=message.create_time.ToDatetime(UTC),
        account_id=message.account_id,
        fence_floor=message.fence_floor,
    )


def _options(message: events_pb2.ConversionRequested) -> Options:
    """Read the options; gateways of version 0.1 know of a bit rate alone."""
    if message.HasField("options"):
        return options_of(message.options)
    _require(message.bitrate_kbps in BIT_RATES_KBPS, "bitrate_kbps")
    return Options(bitrate_kbps=message.bitrate_kbps)


def called_off_id(
    message: events_pb2.ConversionCancelled | events_pb2.ConversionDeleted,
) -> ConversionId:
    """Read which conversion was called off. Raises `MalformedEvent`."""
    _require(IDENTIFIER.fullmatch(message.conversion_id) is not None, "conversion_id")
    return ConversionId(message.conversion_id)


def _require(is_valid: bool, field: str) -> None:  # noqa: FBT001 - reads as "require that ..."
    if not is_valid:
        raise MalformedEvent(field)


def started(claim: Claim, start_time: datetime) -> Envelope:
    """Say that a worker took it."""
    conversion_id = claim.order.conversion_id
    message = events_pb2.ConversionStarted(
        conversion_id=conversion_id, fence=claim.fence, start_time=_timestamp(start_time)
    )
    return _envelope(message, conversion_id, claim.fence, start_time)


def progressed(claim: Claim, share: float, now: datetime) -> Envelope:
    """Say how much is done; every one has an id of its own."""
    conversion_id = claim.order.conversion_id
    message = events_pb2.ConversionProgressed(
        conversion_id=conversion_id, fence=claim.fence, progress=share
    )
    return Envelope.of(message, key=conversion_id, source=SOURCE, time=now)


def ended(conversion_id: ConversionId, fence: int, outcome: Outcome) -> Envelope:
    """Say how it ended; a repeat has the same id."""
    match outcome:
        case Succeeded():
            message: Message = _succeeded(conversion_id, fence, outcome)
        case Failed():
            message = events_pb2.ConversionFailed(
                conversion_id=conversion_id,
                fence=fence,
                reason=REASONS[outcome.reason],
                message=outcome.message,
                end_time=_timestamp(outcome.end_time),
            )
        case _:
            assert_never(outcome)
    return _envelope(message, conversion_id, fence, outcome.end_time)


def confirmed(conversion_id: ConversionId, ending: Ending, fence: int, now: datetime) -> Envelope:
    """Say that it was called off here, too; a repeat has the same id."""
    match ending:
        case Ending.CANCELLED:
            message: Message = events_pb2.CancellationConfirmed(conversion_id=conversion_id)
        case Ending.DELETED:
            message = events_pb2.DeletionConfirmed(
                conversion_id=conversion_id, party=events_pb2.PARTY_CONVERTER
            )
        case _:
            assert_never(ending)
    return _envelope(message, conversion_id, fence, now)


def dead_letter(claim: Claim, reason: str, now: datetime) -> Envelope:
    """Set an order aside that no attempt carried out; a repeat has the same id."""
    order, options = claim.order, claim.order.options
    message = events_pb2.ConversionRequested(
        conversion_id=order.conversion_id,
        account_id=order.account_id,
        video_id=order.video_id,
        size_bytes=order.size_bytes,
        sha256=order.sha256,
        bitrate_kbps=options.bitrate_kbps if options.is_bit_rate_alone else SEE_OPTIONS,
        options=None if options.is_bit_rate_alone else options_message(options),
        create_time=_timestamp(order.create_time),
        fence_floor=order.fence_floor,
    )
    request = _envelope(message, order.conversion_id, claim.fence, now)
    return letter_about(request, topic=REQUESTS_TOPIC, reason=reason, source=SOURCE)


def _succeeded(
    conversion_id: ConversionId, fence: int, outcome: Succeeded
) -> events_pb2.ConversionSucceeded:
    duration = Duration()
    duration.FromNanoseconds(round(outcome.seconds * 1_000_000_000))
    return events_pb2.ConversionSucceeded(
        conversion_id=conversion_id,
        fence=fence,
        audio_id=outcome.stored.audio_id,
        size_bytes=outcome.stored.size_bytes,
        sha256=outcome.stored.sha256,
        duration=duration,
        sample_rate_hz=outcome.sample_rate_hz,
        channels=outcome.channels,
        peak_dbfs=outcome.peak_dbfs,
        engine=outcome.engine,
        end_time=_timestamp(outcome.end_time),
        source=source_message(outcome.source) if outcome.source else None,
        is_copy=outcome.is_copy,
        loudness=loudness_message(outcome.loudness) if outcome.loudness else None,
    )


def engine(name: str, slots: int, running: int) -> converter_pb2.GetEngineResponse:
    """Describe the engine and its load."""
    return converter_pb2.GetEngineResponse(engine=name, slots=slots, running=running)


def _envelope(message: Message, key: ConversionId, fence: int, time: datetime) -> Envelope:
    envelope = Envelope.of(message, key=key, source=SOURCE, time=time)
    name = f"{fence}/{envelope.type}"
    return replace(envelope, id=uuid.uuid5(uuid.UUID(key), name).hex)


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
