"""What the engine's MP3 sounds like, as ViSQOL judges it, beside LAME's own in a single pass."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from converter_sounds import Clip

from converter_service.engine.parallel import NoCut

from . import contestants
from .contestants import program
from .engine import convert_in
from .rows import LONGEST_SECONDS, Row
from .sizes import Size

KINDS = ("music", "speech", "noise", "transients", "pauses", "loud")
SECONDS = 10.0
RATE_HZ = 48_000  # ViSQOL's audio mode knows no other
CHUNKS = 4
GOAL = -0.02
JUDGES = 2


def quality(directory: Path, size: Size) -> Iterator[Row]:
    """Compare both with the clip; the engine cuts it, as it would not do with one so short."""
    kinds = KINDS[: size.kinds]
    pairs = [pair for kind in kinds for pair in _heard(directory, kind)]
    scores = judge(pairs)
    differences = []
    for kind, ours, theirs in zip(kinds, scores[::2], scores[1::2], strict=True):
        print(f"# {kind}: engine {ours:.3f}, LAME {theirs:.3f}", flush=True)
        differences.append(ours - theirs)
    yield Row("quality_clips", "clips of 10 s, engine and LAME judged", len(differences), None)
    what = "ViSQOL (MOS-LQO), engine less single-pass LAME, the worst clip"
    yield Row("quality_worst", what, min(differences), GOAL, more_is_better=True)


def judge(pairs: Sequence[tuple[Path, Path]]) -> list[float]:
    """Give how much like the first of a pair the second sounds: a mean opinion score, 1 to 5.

    ViSQOL in its mode for any audio. Raises what it raised for the first pair that it cannot judge.
    """
    # Only `make bench` installs it.
    from visqol.api import VisqolApi  # noqa: PLC0415 - as above

    visqol = VisqolApi()
    visqol.create(mode="audio")
    named = [(str(reference), str(degraded)) for reference, degraded in pairs]
    scores = []
    for result in visqol.measure_batch(named, max_workers=JUDGES):
        if isinstance(result, Exception):
            raise result
        scores.append(float(result.moslqo))
    return scores


def _heard(directory: Path, kind: str) -> list[tuple[Path, Path]]:
    """Make a clip, and give it with what both make of it, decoded."""
    clip = Clip(kind, 1, SECONDS, RATE_HZ, 2).write(program(), directory / f"{kind}.wav")
    ours, theirs = directory / f"{kind}-ours.mp3", directory / f"{kind}-theirs.mp3"
    _convert(clip, ours)
    contestants.ffmpeg(clip, theirs)
    return [(clip, _decoded(ours)), (clip, _decoded(theirs))]


def _convert(clip: Path, target: Path) -> None:
    try:
        convert_in(CHUNKS, clip, target, SECONDS)
    except NoCut:  # as the engine does
        convert_in(1, clip, target, SECONDS)


def _decoded(mp3: Path) -> Path:
    target = mp3.with_suffix(".wav")
    command = [program(), "-nostdin", "-v", "error", "-y", "-i", str(mp3)]
    how = ("-c:a", "pcm_f32le", str(target))
    subprocess.run([*command, *how], check=True, timeout=LONGEST_SECONDS)
    return target
