"""How loud the audio becomes, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from converter_fakes import InMemoryAudioStore
from converter_jobs import Convert, made_file, succeeds
from converter_media import SECONDS, MediaMaker

from converter_service.adapters.ffmpeg import FfmpegEngine
from converter_service.adapters.ffmpeg_log import read_loudness
from converter_service.domain import (
    SILENCE_DBFS,
    Format,
    Loudness,
    Measured,
    Options,
    Recipe,
    Trim,
    gain_for,
)


async def heard(engine: FfmpegEngine, path: Path) -> Measured:
    """Measure a file."""
    source = await engine.inspect(path)
    return await engine.measure(path, Recipe.of(Options(), source))


@pytest.fixture
def steps(media: MediaMaker) -> Path:
    """A tone that is quiet for two seconds, then loud for two."""
    target = media.directory / "steps.wav"
    if not target.exists():
        tone = "aevalsrc=if(lt(t\\,2)\\,0.01\\,0.2)*sin(997*2*PI*t):s=48000:d=4"
        media.run("-f", "lavfi", "-i", tone, str(target))
    return target


@pytest.mark.parametrize("made", [Format.MP3, Format.FLAC])
async def test_the_audio_becomes_as_loud_as_was_asked_for(
    made: Format,
    steps: Path,
    engine: FfmpegEngine,
    convert: Convert,
    audio: InMemoryAudioStore,
    tmp_path: Path,
) -> None:
    before = await heard(engine, steps)

    outcome = await succeeds(convert(steps, Options(format=made, loudness=Loudness(-23.0))))

    after = await heard(engine, made_file(audio, tmp_path))
    assert after.integrated_lufs == pytest.approx(-23.0, abs=0.2)
    assert outcome.loudness == Measured(
        before.integrated_lufs,
        before.range_lu,
        before.true_peak_dbtp,
        gain_db=round(-23.0 - before.integrated_lufs, 2),
    )
    assert outcome.seconds == 4.0


async def test_peaks_are_kept_below_their_limit(
    steps: Path, engine: FfmpegEngine, convert: Convert, audio: InMemoryAudioStore, tmp_path: Path
) -> None:
    wanted = Loudness(-5.0, true_peak_dbtp=-3.0)

    await succeeds(convert(steps, Options(format=Format.FLAC, loudness=wanted)))

    after = await heard(engine, made_file(audio, tmp_path))
    assert after.true_peak_dbtp == pytest.approx(-3.0, abs=0.1)
    assert after.integrated_lufs < -5.0


async def test_only_the_part_that_is_kept_is_measured(steps: Path, convert: Convert) -> None:
    quiet = Options(loudness=Loudness(), trim=Trim(end_ns=2 * 10**9))

    part = await succeeds(convert(steps, quiet))
    whole = await succeeds(convert(steps, Options(loudness=Loudness())))

    assert part.loudness is not None
    assert whole.loudness is not None
    assert part.loudness.integrated_lufs < whole.loudness.integrated_lufs - 20


async def test_silence_stays_silent(media: MediaMaker, convert: Convert) -> None:
    silence = media.make("silence.wav", audio="anullsrc", video=False)

    outcome = await succeeds(convert(silence, Options(loudness=Loudness())))

    assert outcome.loudness == Measured(-70.0, 0.0, SILENCE_DBFS, gain_db=0.0)
    assert outcome.peak_dbfs == SILENCE_DBFS
    assert outcome.seconds == pytest.approx(SECONDS)


async def test_nobody_measures_what_nobody_asked_for(steps: Path, convert: Convert) -> None:
    assert (await succeeds(convert(steps))).loudness is None


@pytest.mark.parametrize(
    ("measured", "gain_db"),
    [
        (Measured(-30.0, 5.0, -20.0), 14.0),
        (Measured(-10.0, 5.0, -0.5), -6.0),
        (Measured(-30.0, 5.0, -6.0), 5.0),
        (Measured(-16.0, 5.0, 1.0), -2.0),
        (Measured(-70.0, 0.0, -120.0), 0.0),
    ],
    ids=["louder", "softer", "as far as peaks allow", "peaks alone", "silence"],
)
def test_a_gain_goes_as_far_as_peaks_allow(measured: Measured, gain_db: float) -> None:
    assert gain_for(Loudness(-16.0, -1.0), measured) == gain_db


def test_a_summary_that_is_not_there_is_none() -> None:
    assert read_loudness(["Integrated loudness:", "    I:  -23.0 LUFS"]) is None
