"""What the audio should be like, as the gateway checked it, and in one form to compare."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Format(StrEnum):
    """What kind of file the audio becomes."""

    MP3 = "mp3"
    AAC = "aac"
    OPUS = "opus"
    FLAC = "flac"
    WAV = "wav"

    @property
    def extension(self) -> str:
        """Tell how names of such files end."""
        return "m4a" if self is Format.AAC else self.value

    @property
    def content_type(self) -> str:
        """Tell the media type."""
        return CONTENT_TYPES[self]


CONTENT_TYPES = {
    Format.MP3: "audio/mpeg",
    Format.AAC: "audio/mp4",
    Format.OPUS: "audio/ogg",
    Format.FLAC: "audio/flac",
    Format.WAV: "audio/wav",
}


class Preset(StrEnum):
    """How good and how large it becomes."""

    STANDARD = "standard"
    BEST = "best"
    SMALL = "small"
    FAST = "fast"


class Copying(StrEnum):
    """Whether audio that is MP3 already may stay as it is."""

    AUTO = "auto"
    NEVER = "never"


class Cover(StrEnum):
    """Where the picture comes from."""

    SOURCE = "source"
    NONE = "none"


class Chapters(StrEnum):
    """What becomes of chapters."""

    KEEP = "keep"
    DROP = "drop"


class TagsOrigin(StrEnum):
    """Where tags come from that are not given."""

    SOURCE = "source"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class TrackChoice:
    """One audio track of several: by its index from 0, by its language, or else the first."""

    index: int | None = None
    language: str = ""


@dataclass(frozen=True, slots=True)
class Trim:
    """A part of a track: from a time or a sample, to a time or a sample."""

    start_ns: int | None = None
    end_ns: int | None = None
    start_sample: int | None = None
    end_sample: int | None = None


@dataclass(frozen=True, slots=True)
class Loudness:
    """How loud the audio becomes (EBU R128), unless its peaks forbid it."""

    target_lufs: float = -16.0
    true_peak_dbtp: float = -1.0


@dataclass(frozen=True, slots=True)
class Tags:
    """What is written into the file about the audio; `given` has names and texts, sorted."""

    origin: TagsOrigin = TagsOrigin.SOURCE
    given: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """What the audio should be like. None, 0 and "" stand for what was not asked for."""

    format: Format = Format.MP3
    preset: Preset | None = None
    vbr_quality: int | None = None
    bitrate_kbps: int = 0
    sample_rate_hz: int = 0
    channels: int = 0
    track: TrackChoice = field(default_factory=TrackChoice)
    trim: Trim = field(default_factory=Trim)
    loudness: Loudness | None = None
    tags: Tags = field(default_factory=Tags)
    cover: Cover = Cover.SOURCE
    chapters: Chapters = Chapters.KEEP
    copying: Copying = Copying.AUTO

    @property
    def is_bit_rate_alone(self) -> bool:
        """Tell whether the bit rate says all: what was there before all other options."""
        return self.canonical() == Options(bitrate_kbps=self.bitrate_kbps).canonical()

    @property
    def settled_preset(self) -> Preset | None:
        """Tell the preset, also where nobody said it; None where something else decides."""
        is_decided = self.bitrate_kbps or self.vbr_quality is not None or self.format in LOSSLESS
        return self.preset or (None if is_decided else Preset.STANDARD)

    @property
    def settled_kbps(self) -> int | None:
        """Tell the bit rate, also where it is the preset's; None if it is not constant."""
        if self.bitrate_kbps:
            return self.bitrate_kbps
        rates = BIT_RATES_KBPS.get(self.format)
        return rates[self.preset or Preset.STANDARD] if rates else None

    @property
    def settled_quality(self) -> int | None:
        """Tell the quality of the variable bit rate, also where it is the preset's."""
        if self.format is not Format.MP3 or self.bitrate_kbps:
            return None
        if self.vbr_quality is not None:
            return self.vbr_quality
        return VBR_QUALITIES[self.preset or Preset.STANDARD]

    @property
    def effort(self) -> int | None:
        """Tell LAME's effort, from 0 (most) to 9; None for the usual one."""
        is_fast = self.format is Format.MP3 and self.preset is Preset.FAST
        return FAST_EFFORT if is_fast else None

    def canonical(self) -> str:
        """Write them in the one form that all options with the same meaning have.

        Stable: options that come later leave it as it is for whoever does not ask for them.
        """
        found = _differences(asdict(self), asdict(Options()))
        for name in SETTLED:
            found.pop(name, None)
        if self.format is not Format.MP3:
            found.pop("copying", None)
        settled = {
            "bitrate_kbps": self.settled_kbps,
            "vbr_quality": self.settled_quality,
            "effort": self.effort,
        }
        found |= {name: value for name, value in settled.items() if value is not None}
        found["format"] = self.format.value
        return json.dumps(found, sort_keys=True, separators=(",", ":"))


VBR_QUALITIES = {Preset.STANDARD: 2, Preset.BEST: 0, Preset.SMALL: 4, Preset.FAST: 4}
FAST_EFFORT = 7
"""LAME's own measure, in which 3 is the default and 9 the least."""
BIT_RATES_KBPS = {
    Format.AAC: {Preset.STANDARD: 160, Preset.BEST: 256, Preset.SMALL: 96, Preset.FAST: 160},
    Format.OPUS: {Preset.STANDARD: 128, Preset.BEST: 192, Preset.SMALL: 64, Preset.FAST: 128},
}
LOSSLESS = (Format.FLAC, Format.WAV)
SETTLED = ("format", "preset", "vbr_quality", "bitrate_kbps")


def _differences(found: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    """Keep what is not as it would be if nobody had asked for anything."""
    kept: dict[str, Any] = {}
    for name, value in found.items():
        usual = plain[name]
        if isinstance(value, dict) and isinstance(usual, dict):
            value = _differences(value, usual)  # noqa: PLW2901 - the same, without what is usual
            usual = {}
        if value != usual:
            kept[name] = value
    return kept
