"""Read the options of an order out of its document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from converter_service.domain import (
    Chapters,
    Copying,
    Cover,
    Format,
    Loudness,
    Options,
    Preset,
    Tags,
    TagsOrigin,
    TrackChoice,
    Trim,
)
from tonearm_chassis.mongo import Document


def options_of(document: Document) -> Options:
    """Read options; what was written before an option was there has it as usual."""
    stored: dict[str, Any] | None = document.get("options")
    if stored is None:
        return Options(bitrate_kbps=document["bitrate_kbps"])
    plain = {**asdict(Options()), **stored}
    tags, loudness, preset = plain["tags"], plain["loudness"], plain["preset"]
    return Options(
        format=Format(plain["format"]),
        preset=None if preset is None else Preset(preset),
        vbr_quality=plain["vbr_quality"],
        bitrate_kbps=plain["bitrate_kbps"],
        sample_rate_hz=plain["sample_rate_hz"],
        channels=plain["channels"],
        track=TrackChoice(**plain["track"]),
        trim=Trim(**plain["trim"]),
        loudness=None if loudness is None else Loudness(**loudness),
        tags=Tags(TagsOrigin(tags["origin"]), tuple((name, text) for name, text in tags["given"])),
        cover=Cover(plain["cover"]),
        chapters=Chapters(plain["chapters"]),
        copying=Copying(plain["copying"]),
    )
