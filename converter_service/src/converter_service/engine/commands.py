"""How ffmpeg is asked: fixed arguments, and no text of users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from converter_service.engine.decoders import DECODERS
from converter_service.engine.demuxers import DEMUXERS
from converter_service.engine.encodings import MP3_RATES_HZ, PCM_RATES_HZ, Encoding, Quality
from converter_service.engine.pcm import Format
from converter_service.engine.reading import Reading

# No block of a sound file is larger; a header may claim anything.
MAX_BLOCK_BYTES = 256 * 1024**2
COMMON = ("-nostdin", "-hide_banner", "-nostats", "-max_alloc", str(MAX_BLOCK_BYTES))
NOTHING_ELSE = ("-vn", "-sn", "-dn")


def decode(program: str, source: Path, reading: Reading) -> Sequence[str]:
    """Decode an audio track to 32-bit floats that MP3 can hold, as WAV on stdout."""
    return [
        program,
        *(*COMMON, "-loglevel", "verbose", "-protocol_whitelist", "file,pipe"),
        *(*_audio(source, reading), "-bitexact"),
        *("-af", reading.filters(MP3_RATES_HZ, "flt"), "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"),
    ]


def encode(program: str, pcm: Format, quality: Quality) -> Sequence[str]:
    """Encode floats on stdin with variable bit rate and no reservoir, to frames on stdout."""
    return [
        program,
        *(*COMMON, "-loglevel", "error", "-protocol_whitelist", "file,pipe"),
        *("-f", "f32le", "-ar", str(pcm.sample_rate_hz), "-ac", str(pcm.channels)),
        *("-i", "pipe:0", "-c:a", "libmp3lame", *quality.arguments(), "-reservoir", "0"),
        *("-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "pipe:1"),
    ]


def copy_mp3(program: str, source: Path, track: int) -> Sequence[str]:
    """Take the frames of an MP3 track out of a file, to stdout."""
    return [
        program,
        *(*COMMON, "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-xerror"),
        *_audio(source, Reading(track)),
        *("-c:a", "copy", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "pipe:1"),
    ]


def measure(program: str, source: Path, reading: Reading) -> Sequence[str]:
    """Measure an audio track's loudness (EBU R128); its summary is on stderr."""
    # Each frame's own line would be one for people who watch.
    measuring = "ebur128=peak=true:framelog=verbose"
    return [
        program,
        *(*COMMON, "-loglevel", "info", "-protocol_whitelist", "file,pipe"),
        *("-progress", "pipe:1", "-stats_period", "0.5"),
        *_audio(source, reading),
        *("-af", f"{reading.filters(PCM_RATES_HZ, 'flt')},{measuring}", "-f", "null", "-"),
    ]


@dataclass(frozen=True, slots=True)
class Files:
    """What is read, and what is written; `notes` are tags and chapters for ffmpeg, if any."""

    source: Path
    target: Path
    notes: Path | None = None


def convert(program: str, files: Files, reading: Reading, encoding: Encoding) -> Sequence[str]:
    """Convert an audio track with one encoder into a new file."""
    return [
        program,
        *(*COMMON, "-loglevel", "verbose", "-protocol_whitelist", "file"),
        *("-progress", "pipe:1", "-stats_period", "0.5"),
        *(*_input(files.source), *_notes(files.notes), "-map", f"0:a:{reading.track}"),
        *NOTHING_ELSE,
        *_take_notes(files.notes),
        *("-af", reading.filters(encoding.rates_hz, encoding.sample_formats)),
        *(*encoding.arguments, "-y", f"file:{files.target}"),
    ]


def _notes(notes: Path | None) -> Sequence[str]:
    if notes is None:
        return []
    return [
        *("-protocol_whitelist", "file", "-format_whitelist", "ffmetadata"),
        *("-f", "ffmetadata", "-i", f"file:{notes}"),
    ]


def _take_notes(notes: Path | None) -> Sequence[str]:
    number = "-1" if notes is None else "1"
    return ["-map_metadata", number, "-map_chapters", number]


def decode_mp3(program: str, audio: Path) -> Sequence[str]:
    """Decode an MP3 to 16-bit samples on stdout."""
    return [
        program,
        *(*COMMON, "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-xerror"),
        *("-codec_whitelist", "mp3,mp3float", "-f", "mp3", "-i", f"file:{audio}", "-map", "0:a:0"),
        *("-c:a", "pcm_s16le", "-f", "s16le", "pipe:1"),
    ]


def decode_other(program: str, audio: Path, encoding: Encoding) -> Sequence[str]:
    """Decode what `convert` made to 16-bit samples, as WAV on stdout."""
    return [
        program,
        *(*COMMON, "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-xerror"),
        *("-codec_whitelist", ",".join(encoding.decoders), "-f", encoding.demuxer),
        *("-i", f"file:{audio}", "-map", "0:a:0", "-map_metadata", "-1", "-bitexact"),
        *("-c:a", "pcm_s16le", "-f", "wav", "pipe:1"),
    ]


def _audio(source: Path, reading: Reading) -> Sequence[str]:
    return [
        *(*_input(source), "-map", f"0:a:{reading.track}", *NOTHING_ELSE),
        *_take_notes(None),
    ]


def _input(source: Path) -> Sequence[str]:
    return [
        *("-format_whitelist", ",".join(DEMUXERS), "-codec_whitelist", ",".join(DECODERS)),
        *("-threads", "1", "-max_error_rate", "1", "-i", f"file:{source}"),
    ]
