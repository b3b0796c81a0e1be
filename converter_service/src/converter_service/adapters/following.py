"""Follow how far an encoder is, by what it says in ffmpeg's words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from converter_service.adapters.child import LINE_BYTES, Child
from converter_service.ports import Progress

LINES_BYTES = 64 * 1024
OUT_TIME = re.compile(rb"out_time_us=(\d+)")
KEPT = re.compile(rb"kept=(\d+)")


def ignore(_: float) -> None:
    """Tell nobody how far a sample is, or what was kept of it."""


async def follow(child: Child, progress: Progress, kept: Callable[[int], None] = ignore) -> None:
    """Pass on how much is encoded and which chunks are `kept`.

    Raises `ConversionTimedOut` when it stands still.

    It may fall back once: what cannot be cut is encoded again from its beginning.
    """
    clock = asyncio.get_running_loop().time
    most, latest, advanced, rest = 0, 0, clock(), b""
    while piece := await child.read(LINES_BYTES, stalled_since=advanced):
        *whole, rest = (rest + piece).split(b"\n")
        rest = rest[:LINE_BYTES]
        for line in whole:
            if chunk := KEPT.match(line):
                kept(int(chunk[1]))
            found = OUT_TIME.match(line)
            if found and int(found[1]) != latest:
                latest, advanced = int(found[1]), clock()
                if latest > most:
                    most = latest
                    progress(most / 1_000_000)
