"""Measure decoded audio piece by piece with pydub, which holds a whole file otherwise."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # On import it looks for ffmpeg on PATH and warns; it is never asked to run it here.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

from converter_service.adapters.peaks import Peaks
from converter_service.domain import SILENCE_DBFS, Waveform

SAMPLE_BYTES = 2


class Meter:
    """Counts samples and finds the peak of 16-bit PCM that comes in pieces of any length."""

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        """Expect interleaved signed little-endian samples."""
        self.sample_rate_hz = sample_rate_hz
        self.channels = channels
        self._rest = b""
        self.samples = 0
        self.peak_dbfs = SILENCE_DBFS
        self._peaks = Peaks(sample_rate_hz, channels)

    def add(self, piece: bytes) -> None:
        """Measure a piece; half a sample at its end waits for the next."""
        width = SAMPLE_BYTES * self.channels
        pcm = self._rest + piece
        whole = len(pcm) - len(pcm) % width
        self._rest = pcm[whole:]
        if not whole:
            return
        segment = AudioSegment(
            data=pcm[:whole],
            sample_width=SAMPLE_BYTES,
            frame_rate=self.sample_rate_hz,
            channels=self.channels,
        )
        self.samples += whole // width
        self.peak_dbfs = max(self.peak_dbfs, float(segment.max_dBFS))
        self._peaks.add(pcm[:whole])

    def waveform(self) -> Waveform:
        """Give the picture and the levels of all that came."""
        return self._peaks.waveform(self.peak_dbfs)
