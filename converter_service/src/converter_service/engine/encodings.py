"""How each kind of file is asked of ffmpeg, and which decoder checks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converter_service.engine.mpeg_audio import SAMPLE_RATES_HZ

MP3_RATES_HZ = tuple(rate for rates in SAMPLE_RATES_HZ.values() for rate in rates)
AAC_RATES_HZ = (*MP3_RATES_HZ, 64_000, 88_200, 96_000)
PCM_RATES_HZ = (*AAC_RATES_HZ, 176_400, 192_000)
OPUS_RATES_HZ = (48_000,)
DEFAULT_EFFORT = 3


@dataclass(frozen=True, slots=True)
class Quality:
    """A variable bit rate of MP3: LAME's V (0 is best), and its q (9 is least careful)."""

    vbr: int
    effort: int = DEFAULT_EFFORT

    def arguments(self) -> Sequence[str]:
        """Write it for libmp3lame, whose default is left unsaid."""
        effort = () if self.effort == DEFAULT_EFFORT else ("-compression_level", str(self.effort))
        return ["-q:a", str(self.vbr), *effort]


@dataclass(frozen=True, slots=True)
class Encoding:
    """What one encoder makes: its arguments, what it takes, and how the result is decoded.

    `second_bytes` bounds what a second of it takes.
    """

    arguments: Sequence[str]
    rates_hz: Sequence[int]
    sample_formats: str
    demuxer: str
    decoders: Sequence[str]
    second_bytes: int


LOSSY_SECOND_BYTES = 40_000
"""320 kbit/s."""


def mp3(bitrate_kbps: int) -> Encoding:
    """Encode with constant bit rate."""
    arguments = ("-c:a", "libmp3lame", "-b:a", f"{bitrate_kbps}k", "-id3v2_version", "0")
    return Encoding(
        (*arguments, "-f", "mp3"),
        MP3_RATES_HZ,
        "s16p|s32p|fltp",
        "mp3",
        ("mp3", "mp3float"),
        LOSSY_SECOND_BYTES,
    )


def aac(bitrate_kbps: int) -> Encoding:
    """Encode AAC-LC into MP4 whose index comes first."""
    arguments = ("-c:a", "aac", "-b:a", f"{bitrate_kbps}k", "-movflags", "+faststart")
    return Encoding(
        (*arguments, "-f", "ipod"), AAC_RATES_HZ, "fltp", "mov", ("aac",), 2 * LOSSY_SECOND_BYTES
    )


def opus(bitrate_kbps: int) -> Encoding:
    """Encode Opus into Ogg."""
    arguments = ("-c:a", "libopus", "-b:a", f"{bitrate_kbps}k", "-f", "ogg")
    return Encoding(
        arguments, OPUS_RATES_HZ, "flt", "ogg", ("opus", "libopus"), 2 * LOSSY_SECOND_BYTES
    )


def flac(bits: int) -> Encoding:
    """Encode FLAC of 16 or 24 bits."""
    sample_format, wide = ("s32", ("-bits_per_raw_sample", "24")) if bits > 16 else ("s16", ())  # noqa: PLR2004 - bits
    arguments = ("-c:a", "flac", *wide, "-f", "flac")
    return Encoding(arguments, PCM_RATES_HZ, sample_format, "flac", ("flac",), 192_000 * 2 * 4)


def wav() -> Encoding:
    """Write 16-bit samples; as RF64 what is too long for RIFF."""
    arguments = ("-c:a", "pcm_s16le", "-rf64", "auto", "-f", "wav")
    return Encoding(arguments, PCM_RATES_HZ, "s16", "wav", ("pcm_s16le",), 192_000 * 2 * 2)
