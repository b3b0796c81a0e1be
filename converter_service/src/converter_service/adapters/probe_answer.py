"""Read what the probe says of a file."""

from __future__ import annotations

from typing import Any

from converter_service.domain import (
    Chapter,
    NoAudio,
    Picture,
    Source,
    SourceAudio,
    Track,
    UnreadableVideo,
)


def source_of(answer: dict[str, Any]) -> Source:
    """Read an answer. Raises `NoAudio` and `UnreadableVideo`."""
    match answer:
        case {"refused": "NO_AUDIO"}:
            raise NoAudio
        case {"refused": _}:
            raise UnreadableVideo
    return Source(
        container=answer["container"],
        tracks=tuple(_track(answer, each) for each in answer["tracks"]),
        chapters=tuple(Chapter(*each) for each in answer["chapters"]),
        tags=tuple(sorted(answer["tags"].items())),
        cover=answer["cover"] and Picture(**answer["cover"]),
    )


def _track(answer: dict[str, Any], track: dict[str, Any]) -> Track:
    return Track(
        audio=SourceAudio(
            container=answer["container"],
            codec=track["codec"],
            declared_seconds=track["declared_seconds"],
            reached_seconds=track["reached_seconds"],
            carried_seconds=track["carried_seconds"],
            cut_off=answer["cut_off"],
            packets=track["packets"],
        ),
        sample_rate_hz=track["sample_rate_hz"],
        channels=track["channels"],
        language=track["language"],
        title=track["title"],
        is_default=track["is_default"],
        bits=track["bits"],
    )
