"""What the engine's MP3 sounds like, as ViSQOL judges it, beside LAME's own in a single pass."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
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
SEEDS = 2
GOAL = -0.02


def quality(directory: Path, size: Size) -> Iterator[Row]:
    """Compare both with the clip; the engine cuts it, as it would not do with one so short."""
    ears = Ears()
    differences = []
    for kind in KINDS:
        for seed in range(min(size.seeds, SEEDS)):
            clip = Clip(kind, seed, SECONDS, RATE_HZ, 2).write(program(), directory / "clip.wav")
            ours, theirs = directory / "ours.mp3", directory / "theirs.mp3"
            _convert(clip, ours)
            contestants.ffmpeg(clip, theirs)
            scores = [ears.judge(clip, _decoded(mp3)) for mp3 in (ours, theirs)]
            print(f"# {kind} {seed}: engine {scores[0]:.3f}, LAME {scores[1]:.3f}", flush=True)
            differences.append(scores[0] - scores[1])
    yield Row("quality_clips", "clips of 10 s, engine and LAME heard", len(differences), None)
    what = "ViSQOL (MOS-LQO), engine less single-pass LAME, the worst clip"
    yield Row("quality_worst", what, min(differences), GOAL, more_is_better=True)


class Ears:
    """ViSQOL in its mode for any audio."""

    def __init__(self) -> None:
        # Only `make bench` installs it.
        from visqol.api import VisqolApi  # noqa: PLC0415 - as above

        self._api = VisqolApi()
        self._api.create(mode="audio")

    def judge(self, reference: Path, degraded: Path) -> float:
        """Give a mean opinion score, 1 to 5, for how much like the reference it sounds."""
        return float(self._api.measure(str(reference), str(degraded)).moslqo)


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
