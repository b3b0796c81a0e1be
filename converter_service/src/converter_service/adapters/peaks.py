"""Draw audio of unknown length in bounded memory, with pydub on one piece at a time."""

from __future__ import annotations

import math
import warnings

with warnings.catch_warnings():
    # pydub looks for ffmpeg on PATH and warns; audioop is a package of its own from Python 3.13 on.
    warnings.simplefilter("ignore")
    import audioop

    from pydub import AudioSegment

from converter_service.domain import SILENCE_DBFS, Waveform

SAMPLE_BYTES = 2
LEAST_PIXELS = 1024
"""So many, and fewer than twice as many, unless the audio is shorter than a second and a half."""
FIRST_SAMPLES_PER_PIXEL = 64
BLOCK_SAMPLES = 1 << 16
"""pydub rounds each level that it measures; equal blocks give equal audio equal levels."""
FULL_SCALE = 1 << 15
# The highest 16-bit sample is 0x7FFF, the lowest 0x8000: which bytes may be which half of which.
UPPER_HALVES = bytes({0x7F: 1, 0x80: 2}.get(byte, 0) for byte in range(256))
LOWER_HALVES = bytes({0xFF: 1, 0x00: 2}.get(byte, 0) for byte in range(256))


class Peaks:
    """Collects the waveform of 16-bit samples.

    Each pixel stands for so many samples. When there are twice as many pixels as needed, two and
    two become one, and each stands for twice as many: so the length need not be known.
    """

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        """Expect so many channels; they are drawn as one."""
        self._sample_rate_hz = sample_rate_hz
        self._channels = channels
        self._rest = bytearray()
        self._width = FIRST_SAMPLES_PER_PIXEL
        self._lows: list[int] = []
        self._highs: list[int] = []
        self._filled = 0
        self._samples = 0
        self._clipped = 0
        self._power = 0.0

    def add(self, samples: bytes) -> None:
        """Take whole samples of all channels, little-endian."""
        self._rest += samples
        size = BLOCK_SAMPLES * SAMPLE_BYTES * self._channels
        while len(self._rest) >= size:
            self._measure(bytes(self._rest[:size]))
            del self._rest[:size]

    def _measure(self, samples: bytes) -> None:
        piece = AudioSegment(
            data=samples,
            sample_width=SAMPLE_BYTES,
            frame_rate=self._sample_rate_hz,
            channels=self._channels,
        )
        count = int(piece.frame_count())
        self._samples += count
        self._power += float(piece.rms) ** 2 * count
        if piece.max >= FULL_SCALE - 1:
            self._clipped += _at_full_scale(samples)
        start = 0
        while start < count:
            end = start + min(self._width - self._filled, count - start)
            self._extend(piece.get_sample_slice(start, end).raw_data, end - start)
            start = end

    def waveform(self, peak_dbfs: float) -> Waveform:
        """Give the waveform of all that came; nothing may come after."""
        if self._rest:
            self._measure(bytes(self._rest))
            self._rest.clear()
        root = math.sqrt(self._power / self._samples) if self._samples else 0.0
        rms_dbfs = 20 * math.log10(root / FULL_SCALE) if root else SILENCE_DBFS
        pixels = zip(self._lows, self._highs, strict=True)
        return Waveform(
            sample_rate_hz=self._sample_rate_hz,
            samples_per_pixel=self._width,
            peaks=bytes(value >> 8 & 0xFF for pixel in pixels for value in pixel),
            peak_dbfs=peak_dbfs,
            rms_dbfs=max(SILENCE_DBFS, rms_dbfs),
            clipped_share=self._clipped / max(1, self._samples * self._channels),
        )

    def _extend(self, samples: bytes, count: int) -> None:
        low, high = audioop.minmax(samples, SAMPLE_BYTES)
        if self._filled:
            self._lows[-1] = min(self._lows[-1], low)
            self._highs[-1] = max(self._highs[-1], high)
        else:
            self._lows.append(low)
            self._highs.append(high)
        self._filled += count
        if self._filled < self._width:
            return
        self._filled = 0
        if len(self._lows) == 2 * LEAST_PIXELS:
            self._lows = list(map(min, self._lows[::2], self._lows[1::2]))
            self._highs = list(map(max, self._highs[::2], self._highs[1::2]))
            self._width *= 2


def _at_full_scale(samples: bytes) -> int:
    """Count them without looking at each in Python: all may be, in hours of a square wave."""
    lower = int.from_bytes(samples[::2].translate(LOWER_HALVES), "little")
    upper = int.from_bytes(samples[1::2].translate(UPPER_HALVES), "little")
    return (lower & upper).bit_count()
