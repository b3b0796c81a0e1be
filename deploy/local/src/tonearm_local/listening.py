"""Listen to a file from beginning to end: how long it plays, how loud, and whether it decodes."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tonearm_local.sample import ffmpeg

RATE_HZ = 44_100
BYTES_PER_FRAME = 4
PIECE_BYTES = 10 * RATE_HZ * BYTES_PER_FRAME
"""Ten seconds: pydub holds what it is given in memory, so it is never given more."""

TOLERANCE_SECONDS = 0.05
SILENCE_DBFS = -60.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What listening found; `loudest_dbfs` is the level of the loudest ten seconds."""

    seconds: float
    loudest_dbfs: float
    complaints: str


class WrongAudio(Exception):
    """The MP3 is not what was in the video."""


def listen(file: Path) -> Heard:
    """Decode a whole file, in bounded memory; blocks for about a hundredth of its length."""
    command = [
        *(ffmpeg(), "-hide_banner", "-loglevel", "error", "-i", str(file)),
        *("-vn", "-f", "s16le", "-ac", "2", "-ar", str(RATE_HZ), "-"),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as decoder:
        if decoder.stdout is None or decoder.stderr is None:
            raise AssertionError("both are pipes")
        length, loudest = 0, float("-inf")
        for piece in _pieces(decoder.stdout):
            length += len(piece)
            loudest = max(loudest, _level(piece))
        # At this log level there are few lines, far fewer than a pipe holds.
        complaints = decoder.stderr.read().decode(errors="replace").strip()
    return Heard(length / BYTES_PER_FRAME / RATE_HZ, loudest, complaints)


def check(audio: Path, video: Path) -> Heard:
    """Compare an MP3 with the video it was made from; raises `WrongAudio`."""
    heard, expected = listen(audio), listen(video)
    if heard.complaints:
        raise WrongAudio(f"{audio} does not decode cleanly: {heard.complaints}")
    if abs(heard.seconds - expected.seconds) > TOLERANCE_SECONDS:
        raise WrongAudio(f"{audio} plays {heard.seconds:.3f} s, not {expected.seconds:.3f} s")
    if heard.loudest_dbfs < SILENCE_DBFS <= expected.loudest_dbfs:
        raise WrongAudio(f"{audio} is silent, the video is not")
    return heard


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(PIECE_BYTES):
        yield piece


def _level(piece: bytes) -> float:
    with warnings.catch_warnings():
        # pydub's invalid escapes, and audioop, which Python 3.13 has as a package of its own.
        warnings.simplefilter("ignore")
        from pydub import AudioSegment  # noqa: PLC0415 - for the filter, and for a quick start

    whole = piece[: len(piece) // BYTES_PER_FRAME * BYTES_PER_FRAME]
    segment = AudioSegment(data=whole, sample_width=2, frame_rate=RATE_HZ, channels=2)
    return float(segment.dBFS)
