"""Between conversions and their MongoDB documents; reads those of version 0.1, too."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from gateway_service.adapters.option_documents import options_fields, options_of
from gateway_service.domain import (
    AccountId,
    Audio,
    AudioId,
    Conversion,
    ConversionId,
    Failure,
    MeasuredLoudness,
    Owner,
    Party,
    State,
    Video,
    VideoId,
    upload_fingerprint,
)
from tonearm_chassis.mongo import Document

MICROSECOND = timedelta(microseconds=1)


def to_document(conversion: Conversion) -> Document:
    """Write a conversion, without what the store adds: outbox and remind_time."""
    return {
        "_id": conversion.id,
        "account_id": conversion.owner.account_id,
        "email": conversion.owner.email,
        "video": {
            "id": conversion.video.id,
            "filename": conversion.video.filename,
            "size_bytes": conversion.video.size_bytes,
            "sha256": conversion.video.sha256,
        },
        **options_fields(conversion.options),
        "create_time": conversion.create_time,
        "sign_time": conversion.sign_time,
        "state": conversion.state.value,
        "progress": conversion.progress,
        "audio": conversion.audio and _audio_document(conversion.audio),
        "source": conversion.source,
        "failure": conversion.failure
        and {"reason": conversion.failure.reason, "message": conversion.failure.message},
        "start_time": conversion.start_time,
        "end_time": conversion.end_time,
        "fence": conversion.fence,
        "revision": conversion.revision,
        "reminders": conversion.reminders,
        "notified": conversion.notified,
        "request_id": conversion.request_id,
        "fingerprint": conversion.fingerprint,
        "retry_of": conversion.retry_of,
        "video_expire_time": conversion.video_expire_time,
        "video_released": conversion.video_released,
        "audio_expire_time": conversion.audio_expire_time,
        "audio_expired": conversion.audio_expired,
        "delete_time": conversion.delete_time,
        "confirmed": sorted(party.value for party in conversion.confirmed),
    }


def from_document(document: Document) -> Conversion:
    """Read a conversion."""
    return Conversion(
        id=ConversionId(document["_id"]),
        owner=Owner(AccountId(document["account_id"]), document["email"]),
        video=_video(document),
        options=options_of(document),
        create_time=document["create_time"],
        sign_time=document["sign_time"],
        state=State(document["state"]),
        progress=document["progress"],
        audio=_audio(document["audio"]),
        source=document.get("source"),
        failure=_failure(document["failure"]),
        start_time=document["start_time"],
        end_time=document["end_time"],
        fence=document["fence"],
        revision=document["revision"],
        reminders=document["reminders"],
        notified=document["notified"],
        request_id=document["request_id"],
        fingerprint=_fingerprint(document),
        retry_of=document.get("retry_of"),
        video_expire_time=document.get("video_expire_time"),
        video_released=document.get("video_released", False),
        audio_expire_time=document.get("audio_expire_time"),
        audio_expired=document.get("audio_expired", False),
        delete_time=document.get("delete_time"),
        confirmed=frozenset(Party(name) for name in document.get("confirmed", ())),
    )


def _video(document: Document) -> Video:
    stored = document["video"]
    return Video(VideoId(stored["id"]), stored["filename"], stored["size_bytes"], stored["sha256"])


def _fingerprint(document: Document) -> str:
    stored: str | None = document.get("fingerprint")
    if stored is None:  # version 0.1 compared the fields
        return upload_fingerprint(_video(document), options_of(document))
    return stored


def _audio_document(audio: Audio) -> dict[str, Any]:
    return {
        "id": audio.id,
        "size_bytes": audio.size_bytes,
        "sha256": audio.sha256,
        "duration_us": audio.duration // MICROSECOND,
        "sample_rate_hz": audio.sample_rate_hz,
        "channels": audio.channels,
        "peak_dbfs": audio.peak_dbfs,
        "engine": audio.engine,
        "is_copy": audio.is_copy,
        "loudness": None if audio.loudness is None else asdict(audio.loudness),
    }


def _audio(stored: dict[str, Any] | None) -> Audio | None:
    if stored is None:
        return None
    loudness = stored.get("loudness")
    return Audio(
        id=AudioId(stored["id"]),
        size_bytes=stored["size_bytes"],
        sha256=stored["sha256"],
        duration=stored["duration_us"] * MICROSECOND,
        sample_rate_hz=stored["sample_rate_hz"],
        channels=stored["channels"],
        peak_dbfs=stored["peak_dbfs"],
        engine=stored["engine"],
        is_copy=stored.get("is_copy", False),
        loudness=None if loudness is None else MeasuredLoudness(**loudness),
    )


def _failure(stored: dict[str, str] | None) -> Failure | None:
    return None if stored is None else Failure(stored["reason"], stored["message"])
