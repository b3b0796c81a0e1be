"""When a conversion may be called complete."""

from __future__ import annotations

import pytest
from converter_fakes import DEFAULT, recipe_of

from converter_service.domain import (
    DecodedAudio,
    EncodeReport,
    EngineFailure,
    NothingLeft,
    Options,
    SourceAudio,
    Trim,
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


MIDDLE = Options(trim=Trim(start_sample=44_100, end_sample=3 * 44_100))


@pytest.mark.parametrize("decoded", [3 * 44_100, 441_000])
def test_a_part_is_compared_with_what_the_trim_leaves(decoded: int) -> None:
    # A decoder may stop where the part ends.
    heard(EncodeReport(decoded, 44_100, 88_200), audio(88_200), MIDDLE)


@pytest.mark.parametrize("made", [88_200 - 2_000, 88_200 + 2_000])
def test_a_part_of_another_length_is_the_engines_failure(made: int) -> None:
    with pytest.raises(EngineFailure):
        heard(EncodeReport(441_000, 44_100, made), audio(made), MIDDLE)


def test_a_part_that_decodes_short_is_truncated() -> None:
    with pytest.raises(TruncatedVideo):
        heard(EncodeReport(88_200, 44_100, 44_100), audio(44_100), MIDDLE)


def test_a_part_that_begins_after_what_was_decoded_leaves_nothing() -> None:
    with pytest.raises(NothingLeft):
        heard(EncodeReport(44_100, 44_100, 0), audio(0), MIDDLE)


@pytest.mark.parametrize("rate", [None, 22_050])
def test_samples_of_another_rate_than_was_said_cannot_be_trimmed(rate: int | None) -> None:
    with pytest.raises(UnreadableVideo):
        heard(EncodeReport(441_000, rate, 88_200), audio(88_200), MIDDLE)


@pytest.mark.parametrize(
    ("trim", "start", "end"),
    [
        (Trim(), 0, None),
        (Trim(start_ns=1_000_000_000), 44_100, None),
        (Trim(start_ns=11_337), 0, None),
        (Trim(start_ns=11_339), 1, None),
        (Trim(end_ns=9_999_999_999), 0, 441_000),
        (Trim(start_sample=5, end_ns=1_000_000_000), 5, 44_100),
    ],
)
def test_a_time_means_the_nearest_sample(trim: Trim, start: int, end: int | None) -> None:
    recipe = recipe_of(10.0, Options(trim=trim))

    assert (recipe.start, recipe.end) == (start, end)


@pytest.mark.parametrize(
    "trim", [Trim(start_ns=10 * 10**9), Trim(start_sample=50_000, end_ns=1_000_000_000)]
)
def test_a_part_without_length_is_refused_before_anything_is_decoded(trim: Trim) -> None:
    with pytest.raises(NothingLeft):
        recipe_of(10.0, Options(trim=trim))
