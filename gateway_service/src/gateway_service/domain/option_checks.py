"""Which options there are, and which go together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway_service.domain.options import (
    LOSSLESS,
    Format,
    Loudness,
    Options,
    Tags,
    TrackChoice,
    Trim,
)
from gateway_service.domain.refusals import ContradictoryOptions, InvalidBitrate, InvalidOption

# MPEG-1 Layer III, ISO 11172-3, section 2.4.2.3.
BITRATES_KBPS = frozenset({32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320})
# The highest of MPEG-2 (ISO 13818-3), and of MPEG-2.5 in LAME, with the rates below which they are
# used.
LOW_RATES = ((16_000, 64), (32_000, 160))
OTHER_BITRATES_KBPS = range(16, 257)
MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
AAC_RATES_HZ = (*MP3_RATES_HZ, 64_000, 88_200, 96_000)
PCM_RATES_HZ = (*AAC_RATES_HZ, 176_400, 192_000)
SAMPLE_RATES_HZ = {
    Format.MP3: MP3_RATES_HZ,
    Format.AAC: AAC_RATES_HZ,
    Format.OPUS: (48_000,),
    Format.FLAC: PCM_RATES_HZ,
    Format.WAV: PCM_RATES_HZ,
}
VBR_QUALITIES = range(10)
MOST_TRACKS = 64
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
LONGEST_NS = 1_000 * 3600 * 10**9
MOST_SAMPLES = 1_000 * 3600 * 192_000
TARGETS_LUFS = (-40.0, -5.0)
TRUE_PEAKS_DBTP = (-9.0, 0.0)
MOST_TEXT = 500
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")


def check(options: Options) -> None:
    """Raise `InvalidBitrate`, `InvalidOption` or `ContradictoryOptions`; each names the field."""
    _check_quality(options)
    _check_bitrate(options)
    _check_samples(options)
    _check_track(options.track)
    _check_trim(options.trim)
    if options.loudness is not None:
        _check_loudness(options.loudness)
    _check_tags(options.tags)


def _check_quality(options: Options) -> None:
    """Allow one way to say how good it becomes, and none where there is but one."""
    said = list(_qualities(options))
    if len(said) > 1:
        raise ContradictoryOptions(said[1], f"{said[0]} and {said[1]} exclude each other")
    if said and options.format in LOSSLESS:
        raise ContradictoryOptions(said[0], f"{options.format.name} has no {said[0]}: it keeps all")
    if options.vbr_quality is None:
        return
    if options.format is not Format.MP3:
        raise ContradictoryOptions("vbr_quality", "vbr_quality is for MP3; try preset")
    if options.vbr_quality not in VBR_QUALITIES:
        raise InvalidOption("vbr_quality", "vbr_quality is 0 (best) to 9")


def _qualities(options: Options) -> Iterator[str]:
    if options.preset is not None:
        yield "preset"
    if options.vbr_quality is not None:
        yield "vbr_quality"
    if options.bitrate_kbps:
        yield "bitrate_kbps"


def _check_bitrate(options: Options) -> None:
    kbps = options.bitrate_kbps
    if not kbps:
        return
    if options.format is not Format.MP3:
        if kbps not in OTHER_BITRATES_KBPS:
            raise InvalidBitrate("bitrate_kbps", "bitrate_kbps is 16 to 256 for AAC and Opus")
        return
    if kbps not in BITRATES_KBPS:
        raise InvalidBitrate("bitrate_kbps", f"MP3 has no bit rate of {kbps} kbit/s; try 192")
    for below, most in LOW_RATES:
        if 0 < options.sample_rate_hz < below and kbps > most:
            message = f"below {below} Hz MP3 has at most {most} kbit/s"
            raise ContradictoryOptions("bitrate_kbps", message)


def _check_samples(options: Options) -> None:
    rates = SAMPLE_RATES_HZ[options.format]
    if options.sample_rate_hz and options.sample_rate_hz not in rates:
        known = ", ".join(map(str, rates))
        raise InvalidOption("sample_rate_hz", f"{options.format.name} has {known} Hz")
    if options.channels not in (0, 1, 2):
        raise InvalidOption("channels", "channels is 1 for mono or 2 for stereo")


def _check_track(track: TrackChoice) -> None:
    if track.index is not None and track.language:
        raise ContradictoryOptions("track.language", "choose a track by index or by language")
    if track.index is not None and track.index not in range(MOST_TRACKS):
        raise InvalidOption("track.index", f"track.index is 0 to {MOST_TRACKS - 1}")
    if track.language and not LANGUAGE.fullmatch(track.language):
        raise InvalidOption("track.language", "track.language is a code like eng or en-US")


def _check_trim(trim: Trim) -> None:
    for border in ("start", "end"):
        time, sample = getattr(trim, f"{border}_ns"), getattr(trim, f"{border}_sample")
        name = f"trim.{border}"
        if time is not None and sample is not None:
            raise ContradictoryOptions(f"{name}_sample", f"give {name} or {name}_sample")
        if time is not None and not 0 <= time <= LONGEST_NS:
            raise InvalidOption(name, f"{name} is 0s to {LONGEST_NS // 10**9}s")
        if sample is not None and not 0 <= sample <= MOST_SAMPLES:
            raise InvalidOption(f"{name}_sample", f"{name}_sample is 0 to {MOST_SAMPLES}")
    if trim.end_ns is not None and trim.end_ns <= (trim.start_ns or 0):
        raise ContradictoryOptions("trim.end", "trim.end must be later than trim.start")
    if trim.end_sample is not None and trim.end_sample <= (trim.start_sample or 0):
        message = "trim.end_sample must be later than trim.start_sample"
        raise ContradictoryOptions("trim.end_sample", message)


def _check_loudness(loudness: Loudness) -> None:
    least, most = TARGETS_LUFS
    if not least <= loudness.target_lufs <= most:
        raise InvalidOption("loudness.target_lufs", f"target_lufs is {least} to {most}")
    least, most = TRUE_PEAKS_DBTP
    if not least <= loudness.true_peak_dbtp <= most:
        raise InvalidOption("loudness.true_peak_dbtp", f"true_peak_dbtp is {least} to {most}")


def _check_tags(tags: Tags) -> None:
    for name, text in tags.given:
        if len(text) > MOST_TEXT:
            raise InvalidOption(f"tags.{name}", f"a tag has at most {MOST_TEXT} characters")
        if UNPRINTABLE.search(text):
            raise InvalidOption(f"tags.{name}", "a tag has no control characters")
