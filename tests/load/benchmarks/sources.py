"""What is converted: videos that cost little to make, however long and large they are."""

from __future__ import annotations

import struct
from pathlib import Path

from converter_sounds import Clip
from media import make

from .contestants import program

MIDDLE, SMALL = "640x360", "128x72"
AAC = ("-c:a", "aac", "-b:a", "160k")
FASTSTART = ("-movflags", "+faststart")
FRAMES_A_SECOND, LINE_PIXELS, PIXEL_BYTES = 25, 160, 3
LOOP_SECONDS = 60.0
RATE_HZ = 44_100


def film(directory: Path, seconds: float, picture_size: str = MIDDLE) -> Path:
    """Make an MP4 of music and a moving picture, index first."""
    target = directory / f"film-{seconds:.0f}.mp4"
    if not target.exists():
        music = Clip("music", 1, seconds, RATE_HZ, 2).write(program(), directory / "music.wav")
        picture = ("-f", "lavfi", "-i", f"testsrc2=size={picture_size}:rate={FRAMES_A_SECOND}")
        encoded = ("-c:v", "mpeg4", "-q:v", "8", *AAC, "-shortest")
        make(target, *picture, "-i", str(music), *encoded, *FASTSTART)
        music.unlink()
    return target


def large_film(directory: Path, seconds: float, megabytes: int, *, index_first: bool) -> Path:
    """Make a MOV of that size: the music, and a picture of random bytes that nobody encodes."""
    sound = film(directory, seconds)
    target = directory / f"large-{'first' if index_first else 'last'}.mov"
    lines = round(megabytes * 1e6 / (seconds * FRAMES_A_SECOND * LINE_PIXELS * PIXEL_BYTES))
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{LINE_PIXELS}x{max(1, lines)}")
    noise = (*raw, "-framerate", str(FRAMES_A_SECOND), "-i", "/dev/urandom")
    copied = ("-map", "0:v", "-map", "1:a", "-c", "copy", "-t", str(seconds))
    return make(target, *noise, "-i", str(sound), *copied, *(FASTSTART if index_first else ()))


def endless_film(directory: Path, seconds: float) -> Path:
    """Make an MP4 of many hours out of one minute, which is copied again and again.

    Its picture is small, but has as many packets as any.
    """
    minute = film(directory, LOOP_SECONDS, SMALL)
    target = directory / f"endless-{seconds:.0f}.mp4"
    times = str(max(0, round(seconds / LOOP_SECONDS) - 1))
    return make(target, "-stream_loop", times, "-i", str(minute), "-c", "copy", *FASTSTART)


def make_different(video: Path, number: int) -> None:
    """Make other bytes of an MP4 with the same content: a `free` box at its end (ISO 14496-12).

    So that no store can answer it with what it made before.
    """
    with video.open("ab") as file:
        file.write(struct.pack(">I4sQ", 16, b"free", number))
