"""The engine in confined child processes: a PyAV probe, the parallel encoder, ffmpeg."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from converter_service.adapters.cage.shape import FULL, Cage
from converter_service.adapters.child import LINE_BYTES, Child, Limits, run_child
from converter_service.adapters.disk import disk_errors
from converter_service.adapters.ffmpeg_log import found_disk_full, found_too_large, read_report
from converter_service.adapters.ffmpeg_version import describe_ffmpeg
from converter_service.adapters.levels import Meter
from converter_service.adapters.sample import SECONDS as SAMPLE_SECONDS
from converter_service.adapters.sample import write_sample
from converter_service.domain import (
    AudioTooLarge,
    DecodedAudio,
    EncodeReport,
    EngineFailure,
    NoAudio,
    OutOfProportion,
    SourceAudio,
    UnreadableVideo,
)
from converter_service.engine import commands
from converter_service.engine.encode import INPUT_OUTPUT, SOFTWARE
from converter_service.engine.lame_tag import LameTag, read_lame_tag
from converter_service.engine.mpeg_audio import MalformedStream
from converter_service.ports import Progress
from tonearm_chassis.errors import StorageFull
from tonearm_chassis.logs import get_log

log = get_log(__name__)

PIECE_BYTES = 256 * 1024
QUALITY = 2
PROBE_BYTES = 64 * 1024
# A disk that reads 20 MB/s is the slowest worth waiting for.
PROBE_BYTES_A_SECOND = 20_000_000
OUT_TIME = re.compile(rb"out_time_us=(\d+)")
# MP3 has 320 kbit/s at most. What the packets carry may be exceeded by less than a minute: more
# fails anyway, and is not worth its place on the disk.
MP3_BYTES_A_SECOND = 40_000
SPARE_SECONDS = 60.0
# Samples in memory are files to the kernel: two chunks of thirty seconds at 48 kHz, and a bit.
LONGEST_CHUNK_BYTES = 32 * 1024**2


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the engine may take, and how large its file may get.

    A fixed time, and more in proportion to the audio.
    """

    least_seconds: float = 60.0
    seconds_a_second: float = 1.0
    stall_seconds: float = 20.0
    most_file_bytes: int = 4 * 1024**3

    def limits(self, audio_seconds: float) -> Limits:
        """Bound a run over so much audio."""
        return Limits(
            self.least_seconds + self.seconds_a_second * audio_seconds,
            file_bytes=min(
                self.most_file_bytes, int((audio_seconds + SPARE_SECONDS) * MP3_BYTES_A_SECOND)
            ),
        )


def find_ffmpeg(configured: str) -> str:
    """Choose the program: `auto` is PATH's, else the wheel's; anything else is its path.

    Raises `EngineFailure` if there is none where it was looked for.
    """
    on_path = shutil.which("ffmpeg") if configured in ("", "auto", "path") else None
    match configured:
        case "path" if on_path is None:
            raise EngineFailure("there is no ffmpeg on PATH")
        case "" | "auto" | "path" if on_path:
            return on_path
        case "" | "auto" | "wheel":
            return _wheels_ffmpeg()
        case _:
            return configured


def _wheels_ffmpeg() -> str:
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise EngineFailure("the wheel has no ffmpeg for this machine") from error


@dataclass(frozen=True, slots=True)
class _Job:
    source: Path
    target: Path
    bitrate_kbps: int
    seconds: float


class FfmpegEngine:
    """An `Engine` over the ffmpeg program."""

    def __init__(
        self, program: str, patience: Patience, cage: Cage = FULL, *, encoders: int = 1
    ) -> None:
        """Use `program`, an absolute path, in this cage; asks it for its version.

        With variable bit rate so many `encoders` work at once.
        """
        self._program = program
        self._patience = patience
        self._encoders = encoders
        self._cage = cage.with_program(Path(program))
        self._name = describe_ffmpeg(program, self._cage)

    @property
    def name(self) -> str:
        """Tell the engine's name and version."""
        return self._name

    async def inspect(self, source: Path) -> SourceAudio:
        """Look at a file's first audio track in a child process."""
        status, answer = await self._probe(source)
        if status != 0:
            await self._prove(source.parent)
            # What crashes or exhausts the probe is not worth showing to ffmpeg.
            raise UnreadableVideo
        return _source_audio(json.loads(answer))

    async def _probe(self, source: Path) -> tuple[int, bytes]:
        argv = [sys.executable, "-P", "-m", "converter_service.adapters.probe", str(source)]
        size = (await asyncio.to_thread(source.stat)).st_size
        seconds = self._patience.least_seconds + size / PROBE_BYTES_A_SECOND
        answer = b""
        async with run_child(
            argv,
            Limits(seconds, file_bytes=0),
            stall_seconds=seconds,
            cwd=source.parent,
            cage=self._cage.reading(source),
        ) as child:
            while len(answer) < PROBE_BYTES and (piece := await child.read(PROBE_BYTES)):
                answer += piece
            status = await child.exit_status()
        if status != 0:
            log.warning("probe_failed", status=status, errors=list(child.errors)[-5:])
        return status, answer

    async def encode(
        self, source: Path, target: Path, *, bitrate_kbps: int, seconds: float, progress: Progress
    ) -> EncodeReport:
        """Encode the first audio track into a new MP3 file."""
        job = _Job(source, target, bitrate_kbps, seconds)
        status, report = await self._encode(job, progress)
        if status == 0 and report and report.decoded_samples:
            return report
        # It also ends well when an edit list or a trim leaves nothing of the audio.
        is_decoders = (status > 0 or report) and status not in (SOFTWARE, INPUT_OUTPUT)
        if is_decoders and (report is None or report.decoded_samples == 0):
            await self._prove(target.parent, bitrate_kbps)
            raise UnreadableVideo
        raise EngineFailure(f"ffmpeg ended with {status}")

    def _command(self, job: _Job) -> Sequence[str]:
        """Encode variable bit rate in parallel; the constant one carries its reservoir along."""
        if job.bitrate_kbps:
            return commands.convert(self._program, job.source, job.target, job.bitrate_kbps)
        return [
            *(sys.executable, "-P", "-m", "converter_service.engine.encode"),
            *(self._program, str(job.source), str(job.target), "--quality", str(QUALITY)),
            *("--workers", str(self._encoders), "--expected-seconds", str(job.seconds)),
        ]

    async def _encode(self, job: _Job, progress: Progress) -> tuple[int, EncodeReport | None]:
        limits = self._patience.limits(job.seconds)
        async with run_child(
            self._command(job),
            limits if job.bitrate_kbps else limits.with_room_for(LONGEST_CHUNK_BYTES),
            stall_seconds=self._patience.stall_seconds,
            cwd=job.target.parent,
            cage=self._cage.reading(job.source),
        ) as child:
            await _follow(child, progress)
            status = await child.exit_status()
        if found_disk_full(child.errors):
            raise StorageFull("scratch: ffmpeg found the disk full")
        if found_too_large(child.errors):  # it unpacks to more than its packets say
            is_largest = limits.file_bytes >= self._patience.most_file_bytes
            raise AudioTooLarge if is_largest else OutOfProportion
        report = read_report(child.errors)
        if status != 0 or report is None:
            log.warning("encode_failed", status=status, errors=list(child.errors)[-5:])
        return status, report

    async def _prove(self, directory: Path, bitrate_kbps: int = 0) -> None:
        """Convert a sample before a video is called unreadable.

        An engine that a deploy broke refuses every video; what it says then is no outcome. Raises
        `EngineFailure` if it cannot do even that.
        """
        sample = directory / "sample.wav"
        with disk_errors():
            await asyncio.to_thread(write_sample, sample)
        status, _ = await self._probe(sample)
        if status == 0:
            job = _Job(sample, directory / "sample.mp3", bitrate_kbps, SAMPLE_SECONDS)
            status, _ = await self._encode(job, _ignore)
        if status != 0:
            raise EngineFailure(f"not even a sample is converted: {status}")

    async def decode(self, audio: Path, *, seconds: float) -> DecodedAudio:
        """Decode an MP3 from end to end and measure it."""
        tag = await asyncio.to_thread(_read_tag, audio)
        meter = Meter(tag.sample_rate_hz, tag.channels)
        async with run_child(
            commands.decode_mp3(self._program, audio),
            self._patience.limits(seconds),
            stall_seconds=self._patience.stall_seconds,
            cwd=audio.parent,
            cage=self._cage,
        ) as child:
            while piece := await child.read(PIECE_BYTES):
                meter.add(piece)
            status = await child.exit_status()
        if status != 0:
            raise EngineFailure(f"the MP3 does not decode: {status}, {list(child.errors)[-5:]}")
        return DecodedAudio(
            meter.samples,
            tag.samples,
            tag.sample_rate_hz,
            tag.channels,
            meter.peak_dbfs,
            meter.waveform(),
        )


def _read_tag(audio: Path) -> LameTag:
    try:
        return read_lame_tag(audio)
    except MalformedStream as error:
        raise EngineFailure("the MP3 has no LAME tag") from error


def _source_audio(answer: dict[str, object]) -> SourceAudio:
    match answer:
        case {"refused": "NO_AUDIO"} | {"audio_packets": 0}:
            raise NoAudio
        case {"refused": _}:
            raise UnreadableVideo
    del answer["audio_packets"]
    return SourceAudio(**answer)  # type: ignore[arg-type] # our own probe wrote it


def _ignore(_: float) -> None:
    """Tell nobody how far a sample is."""


async def _follow(child: Child, progress: Progress) -> None:
    """Pass on how much is encoded; raise `ConversionTimedOut` when that stands still.

    It may fall back once: what cannot be cut is encoded again from its beginning.
    """
    clock = asyncio.get_running_loop().time
    most, latest, advanced, rest = 0, 0, clock(), b""
    while piece := await child.read(PROBE_BYTES, stalled_since=advanced):
        *whole, rest = (rest + piece).split(b"\n")
        rest = rest[:LINE_BYTES]
        for line in whole:
            found = OUT_TIME.match(line)
            if found and int(found[1]) != latest:
                latest, advanced = int(found[1]), clock()
                if latest > most:
                    most = latest
                    progress(most / 1_000_000)
