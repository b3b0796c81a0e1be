"""What would become too long, too large or far too much is refused before it is encoded."""

from __future__ import annotations

from pathlib import Path

import pytest
from converter_forgeries import flac_of_silence, with_declared_ticks, with_sample_ticks
from converter_media import MediaMaker
from converter_pipeline import Pipeline, WatchedEngine

from converter_service.adapters.engine_patience import Patience
from converter_service.adapters.ffmpeg import FfmpegEngine, find_ffmpeg
from converter_service.domain import (
    AudioTooLarge,
    Failed,
    FailureReason,
    Options,
    OutOfProportion,
    SourceAudio,
    SourceLimits,
    Succeeded,
    VideoTooLong,
)

HOUR = 3600.0
LIMITS = SourceLimits()


@pytest.fixture
def pipeline(engine: FfmpegEngine, scratch: Path) -> Pipeline:
    return Pipeline(WatchedEngine(engine), scratch)


def source(declared: float | None, reached: float, carried: float) -> SourceAudio:
    return SourceAudio("mov", "aac", declared, reached, carried, cut_off=False)


@pytest.mark.parametrize(
    "endless",
    [source(25 * HOUR, 1.0, 1.0), source(None, 25 * HOUR, 1.0), source(1.0, 1.0, 25 * HOUR)],
    ids=["declared", "reached", "carried"],
)
def test_what_declares_or_carries_more_than_a_day_is_too_long(endless: SourceAudio) -> None:
    with pytest.raises(VideoTooLong):
        LIMITS.require_within(endless, video_bytes=10**10, bitrate_kbps=190)


def test_a_day_at_the_highest_bit_rate_is_not_too_large() -> None:
    day = source(24 * HOUR, 24 * HOUR, 24 * HOUR)

    LIMITS.require_within(day, video_bytes=10**9, bitrate_kbps=320)


def test_what_would_be_larger_than_the_largest_file_is_too_large() -> None:
    limits = SourceLimits(most_audio_bytes=10_000_000)
    ten_minutes = source(600.0, 600.0, 600.0)

    limits.require_within(ten_minutes, video_bytes=10**8, bitrate_kbps=128)
    with pytest.raises(AudioTooLarge):
        limits.require_within(ten_minutes, video_bytes=10**8, bitrate_kbps=320)


def test_an_hour_of_silence_in_aac_is_out_of_proportion() -> None:
    # As ffmpeg makes it: 1.7 MB; at 192 kbit/s it is 86 MB of MP3.
    hour = source(HOUR, HOUR, HOUR)

    with pytest.raises(OutOfProportion):
        LIMITS.require_within(hour, video_bytes=1_700_000, bitrate_kbps=192)


@pytest.mark.parametrize(
    ("hours", "kbps"), [(1.0, 4.75), (10.0, 6.0), (20.0, 16.0)], ids=["AMR", "Opus", "audio book"]
)
def test_speech_at_the_lowest_bit_rates_is_in_proportion(hours: float, kbps: float) -> None:
    speech = source(hours * HOUR, hours * HOUR, hours * HOUR)

    LIMITS.require_within(speech, video_bytes=int(hours * HOUR * kbps * 125), bitrate_kbps=190)


def test_a_short_recording_may_become_many_times_as_large() -> None:
    minutes = source(600.0, 600.0, 600.0)

    LIMITS.require_within(minutes, video_bytes=1_000, bitrate_kbps=320)


@pytest.mark.parametrize(
    ("hours", "reason"),
    [(11, FailureReason.OUT_OF_PROPORTION), (25, FailureReason.VIDEO_TOO_LONG)],
)
async def test_a_silence_bomb_is_refused_before_it_is_encoded(
    media: MediaMaker, pipeline: Pipeline, hours: float, reason: FailureReason
) -> None:
    bomb = media.write(f"silence-{hours}.flac", flac_of_silence(hours * HOUR))

    outcome = await pipeline.convert(bomb)

    assert bomb.stat().st_size < 200_000
    assert isinstance(outcome, Failed)
    assert outcome.reason is reason
    assert (pipeline.engine.encoded, pipeline.audio.files) == (0, {})


async def test_what_is_small_by_itself_may_be_silent(media: MediaMaker, pipeline: Pipeline) -> None:
    minute = media.write("silence.flac", flac_of_silence(60))

    outcome = await pipeline.convert(minute)

    assert isinstance(outcome, Succeeded)
    assert 60 <= outcome.seconds < 70


async def test_an_hour_of_silence_by_ffmpeg_is_refused_before_it_is_encoded(
    media: MediaMaker, pipeline: Pipeline
) -> None:
    bomb = media.make("bomb.flac", audio="anullsrc=r=8000:cl=mono", seconds=HOUR, video=False)

    outcome = await pipeline.convert(bomb, Options(bitrate_kbps=128))

    assert isinstance(outcome, Failed)
    assert outcome.reason is FailureReason.OUT_OF_PROPORTION
    assert pipeline.engine.encoded == 0


async def test_a_false_length_in_the_headers_of_an_mp4_is_not_believed(
    media: MediaMaker, pipeline: Pipeline
) -> None:
    """The sample table says otherwise, and counts."""
    honest = media.make("tone.m4a", "-c:a", "aac", video=False).read_bytes()
    forged = media.write("forged.m4a", with_declared_ticks(honest, 2**32 - 2))

    outcome = await pipeline.convert(forged)

    assert isinstance(outcome, Succeeded)
    assert outcome.seconds < 4


async def test_a_matroska_file_that_declares_months_is_refused_before_it_is_encoded(
    media: MediaMaker, pipeline: Pipeline
) -> None:
    honest = media.make("tone.mka", "-c:a", "aac", video=False).read_bytes()
    forged = media.write("forged.mka", honest.replace(b"00:00:03", b"99:59:03"))

    outcome = await pipeline.convert(forged)

    assert isinstance(outcome, Failed)
    assert outcome.reason is FailureReason.VIDEO_TOO_LONG
    assert pipeline.engine.encoded == 0


async def test_packets_that_claim_hours_each_are_refused_before_they_are_encoded(
    media: MediaMaker, pipeline: Pipeline
) -> None:
    plain = media.make("plain.m4a", "-c:a", "aac", "-use_editlist", "0", video=False)
    forged = media.write("slow.m4a", with_sample_ticks(plain.read_bytes(), 44_100 * 1200))

    outcome = await pipeline.convert(forged)

    assert isinstance(outcome, Failed)
    assert outcome.reason is FailureReason.VIDEO_TOO_LONG
    assert pipeline.engine.encoded == 0


async def test_an_honest_file_within_the_limits_is_converted(
    media: MediaMaker, pipeline: Pipeline
) -> None:
    outcome = await pipeline.convert(media.make("tone.m4a", "-c:a", "aac", video=False))

    assert isinstance(outcome, Succeeded)


async def test_packets_that_claim_less_than_they_unpack_to_end_at_the_limit(
    media: MediaMaker, pipeline: Pipeline
) -> None:
    """Four minutes that claim to be a second: the file stops growing, and the video is to blame."""
    honest = media.make(
        "long.m4a", "-c:a", "aac", "-b:a", "32k", "-use_editlist", "0", seconds=240, video=False
    )
    forged = media.write("fast.m4a", with_sample_ticks(honest.read_bytes(), 1))

    outcome = await pipeline.convert(forged, Options(bitrate_kbps=320))

    assert isinstance(outcome, Failed)
    assert outcome.reason is FailureReason.OUT_OF_PROPORTION


async def test_an_mp3_that_reaches_the_largest_size_is_too_large(
    media: MediaMaker, scratch: Path
) -> None:
    tone = media.make("minute.mp3", "-b:a", "32k", seconds=60, video=False)
    engine = FfmpegEngine(find_ffmpeg(""), Patience(most_file_bytes=500_000))
    pipeline = Pipeline(WatchedEngine(engine), scratch)

    outcome = await pipeline.convert(tone, Options(bitrate_kbps=320))

    assert isinstance(outcome, Failed)
    assert outcome.reason is FailureReason.AUDIO_TOO_LARGE
