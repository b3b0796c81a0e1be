"""Sounds that are hard on encoders, as 32-bit floats, made by ffmpeg from a seed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NOTES = "0.3*sin(2*PI*t*(220+110*floor(mod(2*t,4))))*exp(-3*mod(2*t,1))"
VIBRATO = "0.2*sin(2*PI*660*t+3*sin(2*PI*5*t))"
DRUM = "0.1*(random({seed})-0.5)*exp(-30*mod(4*t,1))"
SOUNDS = {
    "music": f"{NOTES}+{VIBRATO}+{DRUM}",
    "speech": "0.4*sin(2*PI*120*t)*sin(2*PI*3*t)*sin(2*PI*700*t)+0.05*(random({seed})-0.5)",
    "noise": "0.9*(random({seed})-0.5)",
    "silence": "0",
    "transients": "lt(mod(3*t,1),0.004)*(1.8*random({seed})-0.9)",
    "pauses": "gt(mod(t,2),1)*0.8*sin(2*PI*1000*t)",
    "loud": "0.99*sin(2*PI*997*t)*sin(2*PI*(60+40*t)*t)",
}


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound of so many seconds at a rate, in mono or stereo."""

    kind: str
    seed: int
    seconds: float
    sample_rate_hz: int
    channels: int

    def write(self, ffmpeg: str, target: Path) -> Path:
        """Make it as a WAV file of floats."""
        channels = [
            SOUNDS[self.kind].format(seed=self.seed + each) for each in range(self.channels)
        ]
        sound = f"aevalsrc={'|'.join(channels)}:s={self.sample_rate_hz}:d={self.seconds}"
        source = ("-f", "lavfi", "-i", sound.replace(",", "\\,"))
        subprocess.run(
            [ffmpeg, "-nostdin", "-v", "error", "-y", *source, "-c:a", "pcm_f32le", str(target)],
            check=True,
            timeout=120,
        )
        return target


def decoded(ffmpeg: str, mp3: Path) -> bytes:
    """Decode to 16-bit samples."""
    return subprocess.run(
        [ffmpeg, "-nostdin", "-v", "error", "-i", str(mp3), "-f", "s16le", "-"],
        check=True, timeout=120, capture_output=True,
    ).stdout  # fmt: skip
