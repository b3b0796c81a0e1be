"""Play the Ode to Joy on an organ of four sine waves: a tune that everybody recognises."""

from __future__ import annotations

import math
import wave
from array import array
from functools import cache
from pathlib import Path

RATE_HZ = 44_100
BEAT_SECONDS = 0.46875
"""128 beats a minute: the melody's 64 beats last exactly 30 s."""

HARMONICS = ((1, 0.60), (2, 0.25), (3, 0.10), (4, 0.05))
LOUDNESS = 0.6
FADE_SECONDS = 0.02

_LINE = "E1 E1 F1 G1 G1 F1 E1 D1 C1 C1 D1 E1 "
_MIDDLE = (
    "D1 D1 E1 C1 D1 E0.5 F0.5 E1 C1 D1 E0.5 F0.5 E1 D1 C1 D1 g2 "  # the lower G lasts two beats
)
MELODY = (
    _LINE + "E1.5 D0.5 D2 " + _LINE + "D1.5 C0.5 C2 " + _MIDDLE + _LINE + "D1.5 C0.5 C2"
).split()
"""Ludwig van Beethoven, 1824: the note, then its length in beats."""

SEMITONES_FROM_A4 = {"g": -14, "C": -9, "D": -7, "E": -5, "F": -4, "G": -2}


def write_tune(file: Path) -> None:
    """Write the melody as a mono WAV file."""
    with wave.open(str(file), "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(RATE_HZ)
        for note in MELODY:
            output.writeframes(_sound(note[0], float(note[1:])))


@cache
def _sound(name: str, beats: float) -> bytes:
    hertz = 440.0 * 2 ** (SEMITONES_FROM_A4[name] / 12)
    count = round(beats * BEAT_SECONDS * RATE_HZ)
    fade = FADE_SECONDS * RATE_HZ
    samples = array("h")
    for index in range(count):
        turn = 2 * math.pi * hertz * index / RATE_HZ
        tone = sum(share * math.sin(number * turn) for number, share in HARMONICS)
        loudness = LOUDNESS * min(1.0, index / fade, (count - index) / fade)
        samples.append(round(32767 * loudness * tone))
    return samples.tobytes()
