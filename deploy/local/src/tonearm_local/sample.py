"""Make the sample video: the tune with a picture that moves to it, once for a data directory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import imageio_ffmpeg

from tonearm_local.tune import write_tune

PICTURE = (
    # The tones as bars of light before a slowly turning colour.
    "gradients=size=160x90:rate=25:c0=0x1d2b53:c1=0x7e2553:duration=30:speed=0.02,"
    "scale=640x360[ground];"
    "[0:a]showfreqs=size=640x360:rate=25:mode=bar:fscale=log:colors=0xffec27[tones];"
    "[ground][tones]overlay=shortest=1,format=yuv420p[picture]"
)


class VideoNotMade(Exception):
    """ffmpeg could not make the sample video."""


def ffmpeg() -> str:
    """Find the ffmpeg program of the wheel."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def sample_video(directory: Path) -> Path:
    """Return the sample video of a directory; makes it if it is not there yet.

    About 30 seconds of H.264 and AAC. Raises `VideoNotMade`.
    """
    video = directory / "ode-to-joy.mp4"
    if not video.exists():
        directory.mkdir(parents=True, exist_ok=True)
        tune, draft = (directory / f".{os.getpid()}.{kind}" for kind in ("wav", "mp4"))
        try:
            write_tune(tune)
            _film(tune, draft)
            draft.rename(video)
        finally:
            tune.unlink(missing_ok=True)
            draft.unlink(missing_ok=True)
    return video


def _film(tune: Path, video: Path) -> None:
    command = [
        *(ffmpeg(), "-hide_banner", "-loglevel", "error", "-y", "-i", str(tune)),
        *("-filter_complex", PICTURE, "-map", "[picture]", "-map", "0:a"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-b:a", "160k"),
        *("-movflags", "+faststart", str(video)),
    ]
    made = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if made.returncode != 0:
        raise VideoNotMade(made.stderr.strip())
