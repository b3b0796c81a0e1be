"""A second of sound that any engine can convert, or none can be trusted."""

from __future__ import annotations

import array
import math
import wave
from pathlib import Path

from converter_service.domain import Options, Recipe, Source, SourceAudio, Track

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


def sample_recipe(wanted: Options) -> Recipe:
    """Make of the sample what is made of a video, without what depends on that."""
    options = Options(
        format=wanted.format,
        preset=wanted.preset,
        vbr_quality=wanted.vbr_quality,
        bitrate_kbps=wanted.bitrate_kbps,
        sample_rate_hz=wanted.sample_rate_hz,
        channels=wanted.channels,
    )
    audio = SourceAudio("wav", "pcm_s16le", SECONDS, SECONDS, SECONDS, cut_off=False)
    return Recipe(options, Source("wav", (Track(audio, RATE_HZ, 1),)))
