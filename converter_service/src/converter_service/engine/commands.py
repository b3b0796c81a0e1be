"""How ffmpeg is asked: fixed arguments, and no text of users."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from converter_service.engine.decoders import DECODERS
from converter_service.engine.demuxers import DEMUXERS
from converter_service.engine.mpeg_audio import SAMPLE_RATES_HZ
from converter_service.engine.pcm import Format

# No block of a sound file is larger; a header may claim anything.
MAX_BLOCK_BYTES = 256 * 1024**2
COMMON = ("-nostdin", "-hide_banner", "-nostats", "-max_alloc", str(MAX_BLOCK_BYTES))
RATES = "|".join(str(rate) for rates in SAMPLE_RATES_HZ.values() for rate in rates)
# ffmpeg takes the nearest of these.
FORMATS = f"aformat=sample_fmts=flt:sample_rates={RATES}:channel_layouts=mono|stereo"
NOTHING_ELSE = ("-vn", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1")


def decode(program: str, source: Path) -> Sequence[str]:
    """Decode the first audio track to 32-bit floats that MP3 can hold, as WAV on stdout."""
    return [
        program,
        *(*COMMON, "-loglevel", "verbose", "-protocol_whitelist", "file,pipe"),
        *(*_first_audio(source), *NOTHING_ELSE, "-bitexact"),
        *("-af", FORMATS, "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"),
    ]


def encode(program: str, pcm: Format, quality: int) -> Sequence[str]:
    """Encode floats on stdin with variable bit rate and no reservoir, to frames on stdout."""
    return [
        program,
        *(*COMMON, "-loglevel", "error", "-protocol_whitelist", "file,pipe"),
        *("-f", "f32le", "-ar", str(pcm.sample_rate_hz), "-ac", str(pcm.channels)),
        *("-i", "pipe:0", "-c:a", "libmp3lame", "-q:a", str(quality), "-reservoir", "0"),
        *("-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "pipe:1"),
    ]


def convert(program: str, source: Path, target: Path, bitrate_kbps: int) -> Sequence[str]:
    """Convert the first audio track with constant bit rate; ffmpeg fits rate and channels."""
    return [
        program,
        *(*COMMON, "-loglevel", "verbose", "-protocol_whitelist", "file"),
        *("-progress", "pipe:1", "-stats_period", "0.5"),
        *(*_first_audio(source), *NOTHING_ELSE),
        *("-c:a", "libmp3lame", "-b:a", f"{bitrate_kbps}k", "-f", "mp3", "-y", f"file:{target}"),
    ]


def decode_mp3(program: str, audio: Path) -> Sequence[str]:
    """Decode an MP3 to 16-bit samples on stdout."""
    return [
        program,
        *(*COMMON, "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-xerror"),
        *("-codec_whitelist", "mp3,mp3float", "-f", "mp3", "-i", f"file:{audio}", "-map", "0:a:0"),
        *("-c:a", "pcm_s16le", "-f", "s16le", "pipe:1"),
    ]


def _first_audio(source: Path) -> Sequence[str]:
    return [
        *("-format_whitelist", ",".join(DEMUXERS), "-codec_whitelist", ",".join(DECODERS)),
        *("-threads", "1", "-max_error_rate", "1", "-i", f"file:{source}", "-map", "0:a:0"),
    ]
