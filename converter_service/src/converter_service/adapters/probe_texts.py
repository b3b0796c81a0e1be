"""Take texts out of media files: few of them, short ones, without control characters.

And say how large a picture may be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

MOST_CHARACTERS = 500
MOST_TITLE_CHARACTERS = 200
MOST_LANGUAGE_CHARACTERS = 35
MOST_CHAPTERS = 255
MOST_COVER_BYTES = 4 * 1024**2
NANOSECONDS = 1_000_000_000
MOST_NANOSECONDS = 10**9 * 1_000_000 * 3600
# Control characters, half surrogates, and the invisible ones that turn a text's direction around.
UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+"
)
# What ffmpeg calls them in any container; what they are called here.
TAG_NAMES = {
    "title": "title",
    "artist": "artist",
    "album": "album",
    "album_artist": "album_artist",
    "composer": "composer",
    "genre": "genre",
    "date": "date",
    "track": "track_number",
    "disc": "disc_number",
    "comment": "comment",
}


def text(value: str, most: int = MOST_TITLE_CHARACTERS) -> str:
    """Make a text harmless."""
    # Cut first: it may be as long as the file.
    return UNPRINTABLE.sub(" ", value[: 4 * most]).strip()[:most]


def tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """Keep the tags that have a meaning here, by our names."""
    found: dict[str, str] = {}
    for name, value in metadata.items():
        ours = TAG_NAMES.get(name.lower())
        if ours and ours not in found and (short := text(value, MOST_CHARACTERS)):
            found[ours] = short
    return found


def language(metadata: Mapping[str, str]) -> str:
    """Give the language; "und" is none."""
    found = text(metadata.get("language", ""), MOST_LANGUAGE_CHARACTERS)
    return "" if found == "und" else found


def chapters(listed: Sequence[Mapping[str, Any]]) -> list[tuple[int, int, str]]:
    """Give begin and end in nanoseconds, and the title, of those that have a length."""
    found = []
    for each in listed[:MOST_CHAPTERS]:
        start, end = (_nanoseconds(each[border], each["time_base"]) for border in ("start", "end"))
        if 0 <= start < end <= MOST_NANOSECONDS:
            found.append((start, end, text(each["metadata"].get("title", ""))))
    return found


def _nanoseconds(ticks: int, tick: Fraction | None) -> int:
    return round(ticks * (tick or Fraction(0)) * NANOSECONDS)
