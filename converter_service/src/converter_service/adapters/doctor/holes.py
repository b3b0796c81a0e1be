"""Holes of ffmpeg that are known by number, and which versions have them.

A short list, not a scanner: some of the last years that lie in the reading of files, and a few
that were in the news. Where not said otherwise the versions are those of the record at cve.org.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, ...]

RELEASE = re.compile(r"n?(\d+(?:\.\d+)+)")
ALWAYS: Version = (0,)


@dataclass(frozen=True, slots=True)
class Hole:
    """A hole of the versions `since` to `before`, which has it no more.

    `in_reach` if a file can get there past the lists of demuxers and decoders.
    """

    identity: str
    since: Version
    before: Version
    what: str
    in_reach: bool
    source: str = ""


HOLES = (
    Hole("CVE-2022-2566", (5, 1), (5, 1, 2), "mov demuxer, write out of bounds", in_reach=True,
         source="github.com/google/security-research GHSA-vhxg-9wfx-7fcj"),
    Hole("CVE-2026-40962", (4, 1), (8, 1), "mov demuxer, CENC, write out of bounds", in_reach=True),
    Hole("CVE-2026-39210 to 39218", ALWAYS, (8, 1, 2), "MPEG-TS, RTP, VP9 and more, overflows",
         in_reach=True, source="depthfirst.com/research/21-zero-days-in-ffmpeg (June 2026)"),
    Hole("CVE-2026-64835", (4, 4), (8, 1, 3), "ADX decoder, out of bounds", in_reach=False),
    Hole("CVE-2026-107697", ALWAYS, (8, 1, 3), "HLS demuxer, opens what it must not",
         in_reach=False),
    Hole("CVE-2026-125244", (7, 0), (8, 1, 3), "VVC decoder, write out of bounds", in_reach=False),
    Hole("CVE-2026-125244", (9, 0), (9, 0, 2), "VVC decoder, write out of bounds", in_reach=False),
    Hole("CVE-2026-125171", ALWAYS, (9, 0, 3), "Musepack decoder, read out of bounds",
         in_reach=False),
    Hole("CVE-2026-125241", ALWAYS, (9, 0, 3), "FLIC decoder, write out of bounds", in_reach=False),
    Hole("CVE-2026-125214", ALWAYS, (9, 0, 3), "Blu-ray PCM decoder, only on big-endian machines",
         in_reach=False),
)  # fmt: skip


def release_of(version: str) -> Version | None:
    """Read the release out of a version such as `n9.0.2-17-g2a571b`; None if it names none."""
    found = RELEASE.match(version)
    return tuple(map(int, found[1].split("."))) if found else None


def holes_of(release: Version) -> list[Hole]:
    """List what this release has."""
    return [hole for hole in HOLES if hole.since <= release < hole.before]
