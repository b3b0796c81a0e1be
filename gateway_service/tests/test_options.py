"""Which options there are, and which go together."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gateway_service.domain import (
    ContradictoryOptions,
    Format,
    InvalidBitrate,
    InvalidOption,
    Loudness,
    Options,
    Preset,
    Tags,
    TrackChoice,
    Trim,
    Video,
    VideoId,
    check,
    upload_fingerprint,
)
from gateway_service.domain.refusals import OptionRefusal

SECOND = 10**9


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(preset=Preset.BEST),
        Options(vbr_quality=9, channels=1, sample_rate_hz=22_050),
        Options(bitrate_kbps=160, sample_rate_hz=24_000),
        Options(format=Format.AAC, bitrate_kbps=100, sample_rate_hz=96_000),
        Options(format=Format.OPUS, preset=Preset.SMALL, sample_rate_hz=48_000),
        Options(format=Format.FLAC, sample_rate_hz=192_000, channels=2),
        Options(format=Format.WAV, trim=Trim(start_ns=0, end_ns=1)),
        Options(trim=Trim(start_sample=7, end_sample=8)),
        Options(trim=Trim(start_ns=9 * SECOND, end_sample=8)),
        Options(track=TrackChoice(index=63)),
        Options(track=TrackChoice(language="en-US")),
        Options(loudness=Loudness(-40, -9)),
        Options(tags=Tags(given=(("title", "\u00e9" * 500),))),
    ],
)
def test_what_goes_together_is_taken(options: Options) -> None:
    check(options)


@pytest.mark.parametrize(
    ("options", "refusal", "field"),
    [
        (Options(bitrate_kbps=33), InvalidBitrate, "bitrate_kbps"),
        (Options(bitrate_kbps=-1), InvalidBitrate, "bitrate_kbps"),
        (Options(format=Format.AAC, bitrate_kbps=15), InvalidBitrate, "bitrate_kbps"),
        (Options(format=Format.OPUS, bitrate_kbps=257), InvalidBitrate, "bitrate_kbps"),
        (Options(bitrate_kbps=192, sample_rate_hz=24_000), ContradictoryOptions, "bitrate_kbps"),
        (Options(bitrate_kbps=96, sample_rate_hz=8_000), ContradictoryOptions, "bitrate_kbps"),
        (Options(preset=Preset.BEST, bitrate_kbps=192), ContradictoryOptions, "bitrate_kbps"),
        (Options(preset=Preset.BEST, vbr_quality=0), ContradictoryOptions, "vbr_quality"),
        (Options(vbr_quality=0, bitrate_kbps=320), ContradictoryOptions, "bitrate_kbps"),
        (Options(format=Format.FLAC, vbr_quality=2), ContradictoryOptions, "vbr_quality"),
        (Options(format=Format.FLAC, preset=Preset.BEST), ContradictoryOptions, "preset"),
        (Options(format=Format.WAV, bitrate_kbps=192), ContradictoryOptions, "bitrate_kbps"),
        (Options(format=Format.AAC, vbr_quality=2), ContradictoryOptions, "vbr_quality"),
        (Options(vbr_quality=10), InvalidOption, "vbr_quality"),
        (Options(vbr_quality=-1), InvalidOption, "vbr_quality"),
        (Options(sample_rate_hz=44_000), InvalidOption, "sample_rate_hz"),
        (Options(sample_rate_hz=96_000), InvalidOption, "sample_rate_hz"),
        (Options(format=Format.OPUS, sample_rate_hz=44_100), InvalidOption, "sample_rate_hz"),
        (Options(channels=3), InvalidOption, "channels"),
        (Options(channels=-1), InvalidOption, "channels"),
        (Options(track=TrackChoice(1, "eng")), ContradictoryOptions, "track.language"),
        (Options(track=TrackChoice(-1)), InvalidOption, "track.index"),
        (Options(track=TrackChoice(64)), InvalidOption, "track.index"),
        (Options(track=TrackChoice(language="e\n")), InvalidOption, "track.language"),
        (Options(trim=Trim(start_ns=0, start_sample=0)), ContradictoryOptions, "trim.start_sample"),
        (Options(trim=Trim(end_ns=1, end_sample=1)), ContradictoryOptions, "trim.end_sample"),
        (Options(trim=Trim(start_ns=2, end_ns=2)), ContradictoryOptions, "trim.end"),
        (Options(trim=Trim(end_ns=0)), ContradictoryOptions, "trim.end"),
        (Options(trim=Trim(start_sample=2, end_sample=1)), ContradictoryOptions, "trim.end_sample"),
        (Options(trim=Trim(start_ns=-1)), InvalidOption, "trim.start"),
        (Options(trim=Trim(end_ns=2**62)), InvalidOption, "trim.end"),
        (Options(trim=Trim(start_sample=2**60)), InvalidOption, "trim.start_sample"),
        (Options(loudness=Loudness(-41.0)), InvalidOption, "loudness.target_lufs"),
        (Options(loudness=Loudness(math.nan)), InvalidOption, "loudness.target_lufs"),
        (Options(loudness=Loudness(-16.0, 0.1)), InvalidOption, "loudness.true_peak_dbtp"),
        (Options(tags=Tags(given=(("title", "x" * 501),))), InvalidOption, "tags.title"),
        (Options(tags=Tags(given=(("title", "a\x00"),))), InvalidOption, "tags.title"),
    ],
)
def test_what_cannot_be_had_is_refused_by_its_field(
    options: Options, refusal: type[OptionRefusal], field: str
) -> None:
    with pytest.raises(refusal) as caught:
        check(options)

    assert caught.value.field == field


def test_a_repeat_is_known_by_what_it_means_and_by_version_0_1() -> None:
    video = Video(VideoId("v"), "a.mp4", 1, "ab" * 32)
    fingerprint = upload_fingerprint(video, Options())

    assert fingerprint == "5d889fe23f8fb76aa80f961669f135677c7ecea0ece9da2a037aa72f74dbda7b"
    assert upload_fingerprint(video, Options(preset=Preset.STANDARD)) == fingerprint
    assert upload_fingerprint(video, Options(vbr_quality=2)) == fingerprint
    assert upload_fingerprint(video, Options(preset=Preset.BEST)) != fingerprint
    assert upload_fingerprint(video, Options(bitrate_kbps=192)) != fingerprint


def test_names_end_as_the_format_does() -> None:
    endings = {each: replace(Options(), format=each).format.extension for each in Format}

    assert endings == {
        Format.MP3: "mp3",
        Format.AAC: "m4a",
        Format.OPUS: "opus",
        Format.FLAC: "flac",
        Format.WAV: "wav",
    }
