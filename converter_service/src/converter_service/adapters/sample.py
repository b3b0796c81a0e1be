"""A second of sound that any engine can convert, or none can be trusted."""

from __future__ import annotations

import array
import math
import wave
from pathlib import Path

RATE_HZ = 44_100
SECONDS = 1.0
TONE_HZ = 440
AMPLITUDE = 8_000


def write_sample(target: Path) -> None:
    """Write a tone as a WAV file; blocks."""
    step = 2 * math.pi * TONE_HZ / RATE_HZ
    samples = array.array(
        "h", (round(AMPLITUDE * math.sin(step * each)) for each in range(int(RATE_HZ * SECONDS)))
    )
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(samples.itemsize)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
