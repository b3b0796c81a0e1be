"""Videos to convert while everything fails: short, long, and such that must be refused."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import imageio_ffmpeg
from media import TONE, make, make_silent_film, make_video

from .history import Sound, Source

RATE = "44100"
BYTES_PER_SAMPLE = 4
UNREADABLE = frozenset({"UNREADABLE_VIDEO"})
LENGTHS = {"short.mp4": 2.0, "clip.mp4": 5.0}
LONG_LENGTHS = {"song.m4a": 60.0, "lecture.m4a": 240.0}


def make_sources(directory: Path) -> dict[str, Source]:
    """Make all videos in a directory; blocks for some seconds."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, seconds in LENGTHS.items():
        make_video(directory / name, seconds=seconds)
    for name, seconds in LONG_LENGTHS.items():
        make(directory / name, *TONE, "-t", str(seconds), "-c:a", "aac")
    good = [Source(name, decode(directory / name).samples) for name in (*LENGTHS, *LONG_LENGTHS)]
    return {each.name: each for each in (*good, *_make_hostile(directory))}


def make_longest(target: Path) -> Source:
    """Make audio that keeps the encoder busy for some seconds."""
    make(target, "-f", "lavfi", "-i", "sine=300:sample_rate=44100", "-t", "700", "-c:a", "aac")
    return Source(target.name, decode(target).samples)


def _make_hostile(directory: Path) -> list[Source]:
    whole = (directory / "clip.mp4").read_bytes()
    (directory / "truncated.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    (directory / "noise.mp4").write_bytes(hashlib.shake_256(b"noise").digest(100_000))
    (directory / "list.mp4").write_text("ffconcat version 1.0\nfile /etc/passwd\n", "utf-8")
    make_silent_film(directory / "film.mp4")
    return [
        Source("truncated.mp4", 0, frozenset({"TRUNCATED_VIDEO", "UNREADABLE_VIDEO"})),
        Source("noise.mp4", 0, UNREADABLE),
        Source("list.mp4", 0, UNREADABLE),
        Source("film.mp4", 0, frozenset({"NO_AUDIO"})),
    ]


def decode(media: Path) -> Sound:
    """Decode a file from end to end and count the samples of its audio; blocks."""
    command = [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error"),
        *("-i", str(media), "-vn", "-f", "s16le", "-ac", "2", "-ar", RATE, "-"),
    ]
    length = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as decoder:
        assert decoder.stdout is not None
        assert decoder.stderr is not None
        while piece := decoder.stdout.read(1 << 20):
            length += len(piece)
        complaints = decoder.stderr.read().decode(errors="replace").strip()
    return Sound(length // BYTES_PER_SAMPLE, complaints)
