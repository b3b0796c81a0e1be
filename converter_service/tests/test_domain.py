"""When a conversion may be called complete."""

from __future__ import annotations

import pytest
from converter_fakes import DEFAULT, recipe_of

from converter_service.domain import (
    DecodedAudio,
    EncodeReport,
    EngineFailure,
    Options,
    SourceAudio,
    TruncatedVideo,
    UnreadableVideo,
)


def source(
    declared: float | None, reached: float, *, cut_off: bool = False, container: str = "mov"
) -> SourceAudio:
    return SourceAudio(container, "aac", declared, reached, reached, cut_off=cut_off)


def heard(report: EncodeReport, made: DecodedAudio, options: Options = DEFAULT) -> None:
    recipe_of(10.0, options).require_all_heard(report, made)


def audio(samples: int, tagged: int | None = None) -> DecodedAudio:
    return DecodedAudio(samples, samples if tagged is None else tagged, 44_100, 2, -3.0)


@pytest.mark.parametrize(
    "whole",
    [
        source(10.0, 10.0),
        source(10.0, 10.02),
        source(10.0, 9.6),
        source(None, 10.0),
        source(10.0, 9.995, cut_off=True),
    ],
    ids=["exact", "a frame more", "rounding", "declares nothing", "cut after its audio"],
)
def test_a_source_that_gets_as_far_as_it_says_is_complete(whole: SourceAudio) -> None:
    whole.require_complete()


@pytest.mark.parametrize(
    "short",
    [
        source(10.0, 9.4),
        source(10.0, 9.98, cut_off=True),
        source(10.0, 9.98, container="flac"),
        source(None, 10.0, cut_off=True),
    ],
    ids=["short", "cut", "exact container", "cut and declares nothing"],
)
def test_a_source_that_ends_before_it_says_is_truncated(short: SourceAudio) -> None:
    with pytest.raises(TruncatedVideo):
        short.require_complete()


def test_audio_that_is_what_was_decoded_passes() -> None:
    heard(EncodeReport(441_000, 44_100, 441_000), audio(441_000))


def test_audio_resampled_within_a_frame_passes() -> None:
    heard(EncodeReport(480_000, 48_000, 441_100), audio(441_100))


def test_a_source_that_changes_its_rate_is_judged_by_time_alone() -> None:
    heard(EncodeReport(450_000, None, 441_000), audio(441_000))


def test_nothing_decoded_means_unreadable() -> None:
    with pytest.raises(UnreadableVideo):
        heard(EncodeReport(0, None, 0), audio(0))


def test_packets_that_did_not_decode_mean_truncated() -> None:
    with pytest.raises(TruncatedVideo):
        heard(EncodeReport(400_000, 44_100, 400_000), audio(400_000))


@pytest.mark.parametrize(
    ("report", "made"),
    [
        (EncodeReport(441_000, 44_100, 441_000), audio(441_000 - 1)),
        (EncodeReport(441_000, 44_100, 441_000), audio(441_000, tagged=441_000 + 1)),
        (EncodeReport(441_000, 44_100, 441_000 - 2_000), audio(441_000 - 2_000)),
    ],
    ids=["decodes short", "tagged wrong", "encoded short"],
)
def test_an_mp3_that_is_not_what_was_decoded_is_the_engines_failure(
    report: EncodeReport, made: DecodedAudio
) -> None:
    with pytest.raises(EngineFailure):
        heard(report, made)
