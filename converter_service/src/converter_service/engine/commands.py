"""How ffmpeg is asked to decode and to encode: fixed arguments, no text of users."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from converter_service.engine.demuxers import DEMUXERS
from converter_service.engine.mpeg_audio import SAMPLE_RATES_HZ
from converter_service.engine.pcm import Format

QUIET = ("-nostdin", "-hide_banner", "-nostats")
RATES = "|".join(str(rate) for rates in SAMPLE_RATES_HZ.values() for rate in rates)
# ffmpeg takes the nearest of these.
FORMATS = f"aformat=sample_fmts=flt:sample_rates={RATES}:channel_layouts=mono|stereo"


def decode(program: str, source: Path) -> Sequence[str]:
    """Decode the first audio track to 32-bit floats that MP3 can hold, as WAV on stdout."""
    return [
        program,
        *(*QUIET, "-loglevel", "verbose", "-protocol_whitelist", "file,pipe"),
        *("-format_whitelist", ",".join(DEMUXERS), "-threads", "1", "-max_error_rate", "1"),
        *("-i", f"file:{source}", "-map", "0:a:0", "-vn", "-sn", "-dn"),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-bitexact"),
        *("-af", FORMATS, "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"),
    ]


def encode(program: str, pcm: Format, quality: int) -> Sequence[str]:
    """Encode floats on stdin with variable bit rate and no reservoir, to frames on stdout."""
    return [
        program,
        *(*QUIET, "-loglevel", "error", "-protocol_whitelist", "file,pipe"),
        *("-f", "f32le", "-ar", str(pcm.sample_rate_hz), "-ac", str(pcm.channels)),
        *("-i", "pipe:0", "-c:a", "libmp3lame", "-q:a", str(quality), "-reservoir", "0"),
        *("-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "pipe:1"),
    ]
