"""Read a source out of its document."""

from __future__ import annotations

from converter_service.domain import Chapter, Picture, Source, SourceAudio, Track
from tonearm_chassis.mongo import Document


def source_of(stored: Document | None) -> Source | None:
    """Read a source; None if there is none."""
    if stored is None:
        return None
    return Source(
        container=stored["container"],
        tracks=tuple(
            Track(**{**each, "audio": SourceAudio(**each["audio"])}) for each in stored["tracks"]
        ),
        chapters=tuple(Chapter(**each) for each in stored["chapters"]),
        tags=tuple((name, text) for name, text in stored["tags"]),
        cover=stored["cover"] and Picture(**stored["cover"]),
        chosen=stored["chosen"],
    )
