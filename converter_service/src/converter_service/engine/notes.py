"""Write tags and chapters as the text that ffmpeg reads (ffmpeg-formats, "Metadata").

A file and not arguments: no text of users is ever an argument.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from converter_service.engine.id3 import Mark

SPECIAL = re.compile(r"([=;#\\\n])")
FFMPEG_NAMES = {"track_number": "track", "disc_number": "disc"}


def chapter_tags(marks: Sequence[Mark]) -> dict[str, str]:
    """Write chapters as the tags that Ogg and FLAC have for them (Xiph wiki, "Chapter Extension").

    ffmpeg would write them itself, but puts those in the second half of a second a second late.
    """
    tags: dict[str, str] = {}
    for number, mark in enumerate(marks):
        minutes, milliseconds = divmod(mark.start_ms, 60_000)
        clock = f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds / 1000:06.3f}"
        tags |= {f"CHAPTER{number:03}": clock, f"CHAPTER{number:03}NAME": mark.title}
    return tags


def notes(tags: Mapping[str, str], marks: Sequence[Mark]) -> str:
    """Write them."""
    lines = [";FFMETADATA1"]
    lines += [f"{FFMPEG_NAMES.get(name, name)}={_escaped(text)}" for name, text in tags.items()]
    for mark in marks:
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={mark.start_ms}", f"END={mark.end_ms}"]
        lines.append(f"title={_escaped(mark.title)}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return SPECIAL.sub(r"\\\1", text)
