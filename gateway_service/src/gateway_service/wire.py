"""Between protobuf messages and the domain; decides nothing."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway_service.domain import (
    Audio,
    AudioId,
    Change,
    Conversion,
    ConversionId,
    Failed,
    Failure,
    InvalidPageToken,
    Notified,
    PageStart,
    Progressed,
    Started,
    State,
    Succeeded,
)
from gateway_service.use_cases.upload import Declaration
from tonearm.events.v1 import events_pb2
from tonearm.gateway.v1 import conversion_pb2, upload_pb2
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.status import DOMAIN

SOURCE = "/tonearm/gateway"
REQUESTS_TOPIC = "tonearm.conversion-requests.v1"
EVENTS_TOPIC = "tonearm.conversion-events.v1"
NOTIFICATIONS_TOPIC = "tonearm.notifications.v1"
DEAD_LETTERS_TOPIC = "tonearm.dead-letters.v1"

STATES = {
    State.QUEUED: conversion_pb2.Conversion.QUEUED,
    State.RUNNING: conversion_pb2.Conversion.RUNNING,
    State.SUCCEEDED: conversion_pb2.Conversion.SUCCEEDED,
    State.FAILED: conversion_pb2.Conversion.FAILED,
    State.CANCELLED: conversion_pb2.Conversion.CANCELLED,
}
REASON_PREFIX = "FAILURE_REASON_"


def conversion_message(conversion: Conversion) -> conversion_pb2.Conversion:
    """Write a conversion for its owner."""
    message = conversion_pb2.Conversion(
        id=conversion.id,
        state=STATES[conversion.state],
        video=conversion_pb2.Video(
            filename=conversion.video.filename,
            size_bytes=conversion.video.size_bytes,
            sha256=conversion.video.sha256,
        ),
        options=conversion_pb2.AudioOptions(bitrate_kbps=conversion.bitrate_kbps),
        progress=conversion.progress,
        create_time=timestamp(conversion.create_time),
        start_time=_optional(conversion.start_time),
        end_time=_optional(conversion.end_time),
    )
    if conversion.audio is not None:
        message.audio.CopyFrom(_audio_message(conversion.audio_filename, conversion.audio))
    if conversion.failure is not None:
        message.error.CopyFrom(_error_message(conversion.failure))
    return message


def declaration(request: upload_pb2.UploadVideoRequest, content_length: int) -> Declaration:
    """Read what the first message of an upload declares; REST declares its Content-Length."""
    return Declaration(
        filename=request.filename,
        bitrate_kbps=request.bitrate_kbps,
        size_bytes=request.size_bytes or content_length,
        sha256=request.sha256,
        request_id=request.request_id,
    )


def page_token(start: PageStart | None) -> str:
    """Write where the next page starts; empty if there is none."""
    if start is None:
        return ""
    text = json.dumps([start.create_time.isoformat(), start.id])
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def page_start(token: str) -> PageStart | None:
    """Read a page token. Raises `InvalidPageToken`."""
    if not token:
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        time, conversion_id = json.loads(text)
        str(conversion_id).encode()  # half of a surrogate pair is JSON and yet no text
        return PageStart(
            datetime.fromisoformat(time).astimezone(UTC), ConversionId(str(conversion_id))
        )
    except (ValueError, TypeError, OverflowError, RecursionError):
        message = "page_token must be the next_page_token of the page before"
        raise InvalidPageToken(message) from None


def requested_event(conversion: Conversion, now: datetime) -> Envelope:
    """Write the request to convert."""
    event = events_pb2.ConversionRequested(
        conversion_id=conversion.id,
        account_id=conversion.owner.account_id,
        video_id=conversion.video.id,
        size_bytes=conversion.video.size_bytes,
        sha256=conversion.video.sha256,
        bitrate_kbps=conversion.bitrate_kbps,
        create_time=timestamp(conversion.create_time),
    )
    return Envelope.of(event, key=conversion.id, source=SOURCE, time=now)


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
        end_time=_optional(conversion.end_time),
    )
    return Envelope.of(event, key=conversion.id, source=SOURCE, time=now)


def change_of(envelope: Envelope) -> tuple[ConversionId, Change]:
    """Read news of a conversion. Raises `MalformedEvent` for anything else."""
    match envelope.type:
        case "tonearm.events.v1.ConversionStarted":
            started = envelope.open(events_pb2.ConversionStarted)
            change: Change = Started(started.fence, moment(started.start_time))
            return ConversionId(started.conversion_id), change
        case "tonearm.events.v1.ConversionProgressed":
            progressed = envelope.open(events_pb2.ConversionProgressed)
            change = Progressed(progressed.fence, progressed.progress)
            return ConversionId(progressed.conversion_id), change
        case "tonearm.events.v1.ConversionSucceeded":
            succeeded = envelope.open(events_pb2.ConversionSucceeded)
            return ConversionId(succeeded.conversion_id), _succeeded(succeeded)
        case "tonearm.events.v1.ConversionFailed":
            failed = envelope.open(events_pb2.ConversionFailed)
            failure = Failure(_reason(failed.reason), failed.message)
            change = Failed(failed.fence, failure, moment(failed.end_time))
            return ConversionId(failed.conversion_id), change
        case "tonearm.events.v1.NotificationDelivered":
            delivered = envelope.open(events_pb2.NotificationDelivered)
            return ConversionId(delivered.conversion_id), Notified()
        case _:
            raise MalformedEvent(envelope.type)


def timestamp(value: datetime) -> Timestamp:
    """Write a moment."""
    message = Timestamp()
    message.FromDatetime(value)
    return message


def moment(message: Timestamp) -> datetime:
    """Read a moment."""
    return message.ToDatetime(tzinfo=UTC)


def _optional(value: datetime | None) -> Timestamp | None:
    return None if value is None else timestamp(value)


def _reason(number: int) -> str:
    known = events_pb2.FailureReason.DESCRIPTOR.values_by_number
    # A converter that is newer than this gateway may know more reasons; it has failed all the same.
    found = known.get(number, known[0])
    return found.name.removeprefix(REASON_PREFIX)


def _succeeded(event: events_pb2.ConversionSucceeded) -> Succeeded:
    audio = Audio(
        id=AudioId(event.audio_id),
        size_bytes=event.size_bytes,
        sha256=event.sha256,
        duration=event.duration.ToTimedelta(),
        sample_rate_hz=event.sample_rate_hz,
        channels=event.channels,
        peak_dbfs=event.peak_dbfs,
        engine=event.engine,
    )
    return Succeeded(event.fence, audio, moment(event.end_time))


def _audio_message(filename: str, audio: Audio) -> conversion_pb2.Audio:
    duration = Duration()
    duration.FromTimedelta(audio.duration)
    return conversion_pb2.Audio(
        filename=filename,
        size_bytes=audio.size_bytes,
        sha256=audio.sha256,
        duration=duration,
        sample_rate_hz=audio.sample_rate_hz,
        channels=audio.channels,
        peak_dbfs=audio.peak_dbfs,
    )


def _error_message(failure: Failure) -> status_pb2.Status:
    status = status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message=failure.message)
    detail = status.details.add()
    detail.Pack(error_details_pb2.ErrorInfo(reason=failure.reason, domain=DOMAIN))
    return status
