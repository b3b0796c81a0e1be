"""What audio of any length looks like."""

from __future__ import annotations

import array
import math
import random
import tracemalloc
from pathlib import Path

import pytest
from converter_media import MediaMaker
from converter_pipeline import Pipeline, WatchedEngine

from converter_service.adapters.ffmpeg import FfmpegEngine
from converter_service.adapters.levels import Meter
from converter_service.adapters.peaks import LEAST_PIXELS
from converter_service.domain import SILENCE_DBFS, Succeeded, Waveform

RATE_HZ = 8_000
BOTTOM, TOP = -(1 << 15), (1 << 15) - 1


def drawn(samples: list[int], *, channels: int = 1, piece_bytes: int = 4_096) -> Waveform:
    """Draw interleaved samples that come in pieces, whole or not."""
    pcm = array.array("h", samples).tobytes()
    meter = Meter(RATE_HZ, channels)
    for start in range(0, len(pcm), piece_bytes):
        meter.add(pcm[start : start + piece_bytes])
    return meter.waveform()


def pixels(waveform: Waveform) -> list[tuple[int, int]]:
    values = array.array("b", waveform.peaks).tolist()
    return list(zip(values[::2], values[1::2], strict=True))


def expected(samples: list[int], per_pixel: int) -> list[tuple[int, int]]:
    stretches = [samples[start : start + per_pixel] for start in range(0, len(samples), per_pixel)]
    return [(min(each) >> 8, max(each) >> 8) for each in stretches]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 10_000, 131_072, 131_073, 400_001])
@pytest.mark.parametrize("piece_bytes", [4_096, 262_144, 999])
def test_each_pixel_is_the_lowest_and_the_highest_of_its_samples(
    count: int, piece_bytes: int
) -> None:
    chance = random.Random(count)  # noqa: S311 - no secret
    samples = [chance.randint(BOTTOM, TOP) >> (index % 7) for index in range(count)]

    waveform = drawn(samples, piece_bytes=piece_bytes)

    assert pixels(waveform) == expected(samples, waveform.samples_per_pixel)


@pytest.mark.parametrize("count", [64 * LEAST_PIXELS, 100_000, 1_000_000, 5_000_000])
def test_there_are_so_many_pixels_whatever_the_length(count: int) -> None:
    waveform = drawn([0] * count, piece_bytes=262_144)

    assert LEAST_PIXELS <= len(pixels(waveform)) < 2 * LEAST_PIXELS + 1
    assert len(waveform.peaks) <= 4 * LEAST_PIXELS


def test_channels_are_drawn_as_one() -> None:
    waveform = drawn([1000, -20_000] * 64, channels=2)

    assert pixels(waveform) == [(-20_000 >> 8, 1000 >> 8)]


def test_half_a_sample_at_the_end_of_a_piece_waits_for_the_next() -> None:
    samples = [index * 37 % 5_000 for index in range(3_000)]

    assert drawn(samples, piece_bytes=1_001) == drawn(samples, piece_bytes=1_000)


def test_levels_of_a_tone_are_those_of_the_textbook() -> None:
    tone = [round(16_384 * math.sin(index * math.tau / 80)) for index in range(RATE_HZ)]

    waveform = drawn(tone)

    assert waveform.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert waveform.rms_dbfs == pytest.approx(-9.03, abs=0.01)
    assert waveform.clipped_share == 0


def test_silence_has_the_lowest_level() -> None:
    waveform = drawn([0] * 1_000)

    assert (waveform.peak_dbfs, waveform.rms_dbfs) == (SILENCE_DBFS, SILENCE_DBFS)
    assert set(pixels(waveform)) == {(0, 0)}


def test_nothing_looks_like_nothing() -> None:
    waveform = drawn([])

    assert (waveform.peaks, waveform.rms_dbfs, waveform.clipped_share) == (b"", SILENCE_DBFS, 0)


def test_only_whole_samples_at_full_scale_are_clipped() -> None:
    # 0x7FFF and 0x8000; and two whose neighbouring bytes read like either.
    neighbours = [-0x0100 + 0x12, 0x127F, 0x0012, 0x1280]
    samples = [TOP, BOTTOM, *neighbours, TOP - 1, BOTTOM + 1]

    assert drawn(samples).clipped_share == 2 / len(samples)


def test_memory_does_not_grow_with_the_length() -> None:
    minute = bytes(2 * RATE_HZ * 60)
    meter = Meter(RATE_HZ, 1)
    meter.add(minute)
    tracemalloc.start()
    for _ in range(600):
        meter.add(minute)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(meter.waveform().peaks) <= 4 * LEAST_PIXELS
    assert peak_bytes < 8 * len(minute)


async def test_a_conversion_stores_the_waveform_with_its_audio(
    engine: FfmpegEngine, media: MediaMaker, scratch: Path
) -> None:
    pipeline = Pipeline(WatchedEngine(engine), scratch)

    outcome = await pipeline.convert(media.make("tone.wav", video=False))

    assert isinstance(outcome, Succeeded)
    waveform = pipeline.audio.waveforms[outcome.stored.audio_id]
    assert waveform is not None
    assert waveform.peak_dbfs == outcome.peak_dbfs
    shown_seconds = len(pixels(waveform)) * waveform.samples_per_pixel / waveform.sample_rate_hz
    assert shown_seconds == pytest.approx(outcome.seconds, abs=0.01)
    # ffmpeg's tone has an eighth of full scale.
    assert max(high for _, high in pixels(waveform)) in (15, 16)
