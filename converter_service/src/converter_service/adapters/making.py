"""What a recipe asks of the engine."""

from __future__ import annotations

from collections.abc import Sequence

from converter_service.domain import Format, Preset, Recipe
from converter_service.engine import encodings
from converter_service.engine.encodings import DEFAULT_EFFORT, Encoding, Quality
from converter_service.engine.reading import Reading


def reading_of(recipe: Recipe) -> Reading:
    """Tell what is read of the source, and how it is changed."""
    return Reading(
        track=recipe.source.chosen,
        start=recipe.start,
        end=recipe.end,
        gain_db=recipe.gain_db,
        sample_rate_hz=recipe.options.sample_rate_hz,
        channels=recipe.options.channels,
        source_channels=recipe.track.channels,
    )


# What a source may have on average to count as the preset: LAME's own averages, and a tenth more.
MOST_KBPS = {Preset.BEST: 320, Preset.STANDARD: 210, Preset.SMALL: 180, Preset.FAST: 180}


def copying_of(recipe: Recipe) -> Sequence[str]:
    """Tell what frames must be like to be copied, for the command line of `engine.copy`."""
    options = recipe.options
    track = ("--track", str(recipe.source.chosen))
    if options.bitrate_kbps:
        return [*track, "--kbps", str(options.bitrate_kbps)]
    return [*track, "--most-kbps", str(MOST_KBPS[options.preset or Preset.STANDARD])]


def making_of(recipe: Recipe) -> Encoding | Quality:
    """Tell what one encoder makes; or the quality of MP3 that several make together."""
    options = recipe.options
    kbps = options.settled_kbps or 0
    match options.format:
        case Format.MP3 if options.settled_quality is not None:
            return Quality(options.settled_quality, options.effort or DEFAULT_EFFORT)
        case Format.MP3:
            return encodings.mp3(kbps)
        case Format.AAC:
            return encodings.aac(kbps)
        case Format.OPUS:
            return encodings.opus(kbps)
        case Format.FLAC:
            return encodings.flac(recipe.track.bits)
        case Format.WAV:
            return encodings.wav()
