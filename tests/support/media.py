"""Videos for the journeys, made by ffmpeg when they are needed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import imageio_ffmpeg

MAKE_SECONDS = 240
PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25")
TONE = ("-f", "lavfi", "-i", "aevalsrc=0.4*sin(440*2*PI*t)|0.4*sin(550*2*PI*t):s=44100")
ENCODED = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")


def make(target: Path, *arguments: str) -> Path:
    """Run ffmpeg with `arguments`, writing `target`."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y"]
    subprocess.run([*command, *arguments, str(target)], check=True, timeout=MAKE_SECONDS)
    return target


def make_video(target: Path, *, seconds: float, faststart: bool = True) -> Path:
    """Make an MP4 with moving picture and a stereo tone; its index first or last."""
    flags = ("-movflags", "+faststart") if faststart else ()
    return make(target, *PICTURE, *TONE, "-t", str(seconds), *ENCODED, *flags)


def make_large_video(target: Path, *, seconds: float, megabytes: int) -> Path:
    """Make an MP4 of about this size: noise that does not compress, and a stereo tone."""
    kilobits = int(megabytes * 8000 / seconds)
    noise = ("-f", "lavfi", "-i", "nullsrc=size=320x180:rate=25,geq=random(1)*255:128:128")
    rate = ("-b:v", f"{kilobits}k", "-minrate", f"{kilobits}k", "-maxrate", f"{kilobits}k")
    mpeg4 = ("-c:v", "mpeg4", "-c:a", "aac", *rate, "-bufsize", f"{kilobits * 2}k")
    return make(target, *noise, *TONE, "-t", str(seconds), *mpeg4, "-movflags", "+faststart")


def make_silent_film(target: Path) -> Path:
    """Make an MP4 that has no audio track."""
    return make(target, *PICTURE, "-t", "2", "-c:v", "libx264", "-preset", "ultrafast")


def audio_seconds(media: Path) -> float:
    """Count how long the audio of a file plays, by decoding it."""
    samples = 0
    rate = 1
    with av.open(str(media)) as container:
        for frame in container.decode(audio=0):
            samples += frame.samples
            rate = frame.sample_rate
    return samples / rate
