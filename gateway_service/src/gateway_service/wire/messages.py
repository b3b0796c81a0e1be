"""Between requests, answers and the domain; decides nothing."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway_service.domain import (
    Audio,
    Conversion,
    ConversionId,
    Failure,
    InvalidPageToken,
    PageStart,
    State,
)
from gateway_service.use_cases.upload import Declaration
from gateway_service.wire.options import asked_for, options_message
from gateway_service.wire.times import optional_timestamp, timestamp
from tonearm.gateway.v1 import conversion_pb2, source_pb2, upload_pb2
from tonearm_chassis.status import DOMAIN

STATES = {
    State.QUEUED: conversion_pb2.Conversion.QUEUED,
    State.RUNNING: conversion_pb2.Conversion.RUNNING,
    State.SUCCEEDED: conversion_pb2.Conversion.SUCCEEDED,
    State.FAILED: conversion_pb2.Conversion.FAILED,
    State.CANCELLED: conversion_pb2.Conversion.CANCELLED,
}


def listed_message(conversion: Conversion) -> conversion_pb2.Conversion:
    """Write a conversion for a list, where a source with all its chapters would be too much."""
    return conversion_message(replace(conversion, source=None))


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
        options=options_message(conversion.options),
        progress=conversion.progress,
        create_time=timestamp(conversion.create_time),
        start_time=optional_timestamp(conversion.start_time),
        end_time=optional_timestamp(conversion.end_time),
        retry_of=conversion.retry_of or "",
        video_expire_time=optional_timestamp(conversion.video_expire_time),
        audio_expire_time=optional_timestamp(conversion.audio_expire_time),
    )
    if conversion.audio is not None:
        message.audio.CopyFrom(_audio_message(conversion.audio_filename, conversion.audio))
    if conversion.source is not None:
        message.source.CopyFrom(source_pb2.Source.FromString(conversion.source))
    if conversion.failure is not None:
        message.error.CopyFrom(_error_message(conversion.failure))
    return message


def declaration(request: upload_pb2.UploadVideoRequest, content_length: int) -> Declaration:
    """Read what the first message of an upload declares; REST declares its Content-Length.

    Raises `InvalidOption` and `ContradictoryOptions`.
    """
    return Declaration(
        filename=request.filename,
        options=asked_for(request),
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


def _audio_message(filename: str, audio: Audio) -> conversion_pb2.Audio:
    duration = Duration()
    duration.FromTimedelta(audio.duration)
    loudness = audio.loudness
    return conversion_pb2.Audio(
        filename=filename,
        size_bytes=audio.size_bytes,
        sha256=audio.sha256,
        duration=duration,
        sample_rate_hz=audio.sample_rate_hz,
        channels=audio.channels,
        peak_dbfs=audio.peak_dbfs,
        is_copy=audio.is_copy,
        loudness=None if loudness is None else source_pb2.MeasuredLoudness(**asdict(loudness)),
    )


def _error_message(failure: Failure) -> status_pb2.Status:
    status = status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message=failure.message)
    detail = status.details.add()
    detail.Pack(error_details_pb2.ErrorInfo(reason=failure.reason, domain=DOMAIN))
    return status
