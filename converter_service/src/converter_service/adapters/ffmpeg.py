"""The engine in confined child processes: a PyAV probe, the parallel encoder, ffmpeg."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import imageio_ffmpeg

from converter_service.adapters.cage.shape import FULL, Cage
from converter_service.adapters.checking import check_of
from converter_service.adapters.child import Limits, run_child
from converter_service.adapters.disk import disk_errors
from converter_service.adapters.engine_patience import Patience
from converter_service.adapters.ffmpeg_log import (
    found_disk_full,
    found_too_large,
    read_copy_report,
    read_loudness,
    read_report,
)
from converter_service.adapters.ffmpeg_version import describe_ffmpeg
from converter_service.adapters.following import follow, ignore
from converter_service.adapters.labelling import label, write_notes
from converter_service.adapters.making import copying_of, making_of, reading_of
from converter_service.adapters.probe_answer import source_of
from converter_service.adapters.probe_texts import MOST_COVER_BYTES
from converter_service.adapters.sample import sample_recipe, write_sample
from converter_service.domain import (
    AudioTooLarge,
    DecodedAudio,
    EncodeReport,
    EngineFailure,
    Format,
    Measured,
    Options,
    OutOfProportion,
    Recipe,
    Source,
    UnreadableVideo,
)
from converter_service.engine import commands
from converter_service.engine.checkpoints import path_of
from converter_service.engine.copy import NOTHING_TO_COPY
from converter_service.engine.encode import INPUT_OUTPUT, SOFTWARE, options
from converter_service.engine.encodings import Encoding
from converter_service.ports import Checkpoints, Progress
from tonearm_chassis.errors import StorageFull
from tonearm_chassis.logs import get_log

log = get_log(__name__)

PIECE_BYTES = 256 * 1024
PROBE_BYTES = 1024 * 1024
# A disk that reads 20 MB/s is the slowest worth waiting for.
PROBE_BYTES_A_SECOND = 20_000_000
LABEL_TEXT_BYTES = 1024**2
# Samples in memory are files to the kernel: two chunks of thirty seconds at 48 kHz, and a bit.
LONGEST_CHUNK_BYTES = 32 * 1024**2


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
    recipe: Recipe
    notes: Path | None = None
    checkpoints: Checkpoints | None = None

    def kept(self, number: int) -> None:
        """Tell that a chunk is there."""
        if self.checkpoints is not None:
            self.checkpoints.kept(number, path_of(self.checkpoints.directory, number))


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

    async def inspect(self, source: Path) -> Source:
        """Look at a file in a child process."""
        status, answer = await self._probe(source)
        if status != 0:
            await self._prove(source.parent)
            # What crashes or exhausts the probe is not worth showing to ffmpeg.
            raise UnreadableVideo
        return source_of(json.loads(answer))

    async def _probe(self, source: Path) -> tuple[int, bytes]:
        module = ("-m", "converter_service.adapters.probe")
        size = (await asyncio.to_thread(source.stat)).st_size
        seconds = self._patience.least_seconds + size / PROBE_BYTES_A_SECOND
        answer = b""
        async with run_child(
            [sys.executable, "-P", *module, str(source), str(_cover_of(source))],
            Limits(seconds, file_bytes=MOST_COVER_BYTES),
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

    async def measure(self, source: Path, recipe: Recipe) -> Measured:
        """Measure loudness in a child process."""
        patience, skipped = self._patience, recipe.skipped_seconds
        async with run_child(
            commands.measure(self._program, source, reading_of(recipe)),
            patience.limits(skipped + recipe.seconds),
            stall_seconds=patience.stall_seconds + patience.stall_share * skipped,
            cwd=source.parent,
            cage=self._cage.reading(source),
        ) as child:
            await follow(child, ignore)
            status = await child.exit_status()
        measured = read_loudness(child.errors) if status == 0 else None
        if measured is None:
            log.warning("measure_failed", status=status, errors=list(child.errors)[-5:])
            await self._prove(source.parent)
            raise UnreadableVideo
        return measured

    async def encode(
        self,
        source: Path,
        target: Path,
        recipe: Recipe,
        progress: Progress,
        checkpoints: Checkpoints | None = None,
    ) -> EncodeReport:
        """Encode into a new file."""
        cover, notes = _cover_of(source), None
        if recipe.options.format is not Format.MP3:
            notes = target.with_name("notes")
            await asyncio.to_thread(write_notes, recipe, cover, notes)
        job = _Job(source, target, recipe, notes, checkpoints)
        status, report = await self._copy(job, progress) if recipe.may_be_copied else (1, None)
        if status != 0:
            status, report = await self._encode(job, progress)
        if status == 0 and report and report.decoded_samples:
            await asyncio.to_thread(label, recipe, target, cover)
            return report
        # It also ends well when an edit list or a trim leaves nothing of the audio.
        is_decoders = (status > 0 or report) and status not in (SOFTWARE, INPUT_OUTPUT)
        if is_decoders and (report is None or report.decoded_samples == 0):
            await self._prove(target.parent, recipe.options)
            raise UnreadableVideo
        raise EngineFailure(f"ffmpeg ended with {status}")

    async def _copy(self, job: _Job, progress: Progress) -> tuple[int, EncodeReport | None]:
        """Copy the frames, if these are what was asked for."""
        async with run_child(
            [
                *(sys.executable, "-P", "-m", "converter_service.engine.copy"),
                *(self._program, str(job.source), str(job.target), *copying_of(job.recipe)),
            ],
            self._limits(job.recipe),
            stall_seconds=self._patience.stall_seconds,
            cwd=job.target.parent,
            cage=self._cage.reading(job.source),
        ) as child:
            await follow(child, progress)
            status = await child.exit_status()
        if found_disk_full(child.errors):
            raise StorageFull("scratch: the disk is full")
        report = read_copy_report(child.errors)
        if status == 0 and report and await self._is_sound(job, report):
            return status, report
        return NOTHING_TO_COPY, None

    async def _is_sound(self, job: _Job, copied: EncodeReport) -> bool:
        """Decode a copy: what is damaged in the source is for an encoder to make the best of."""
        try:
            audio = await self.decode(job.target, job.recipe)
        except EngineFailure:
            return False
        return audio.samples == audio.tagged_samples == copied.encoded_samples

    def _command(self, job: _Job) -> Sequence[str]:
        """Encode variable bit rate in parallel; all else carries something along."""
        reading, making = reading_of(job.recipe), making_of(job.recipe)
        if isinstance(making, Encoding):
            files = commands.Files(job.source, job.target, job.notes)
            return commands.convert(self._program, files, reading, making)
        return [
            *(sys.executable, "-P", "-m", "converter_service.engine.encode"),
            *(self._program, str(job.source), str(job.target)),
            *("--quality", str(making.vbr), "--effort", str(making.effort), *options(reading)),
            *("--workers", str(self._encoders), "--expected-seconds", str(job.recipe.seconds)),
            *(("--checkpoints", str(job.checkpoints.directory)) if job.checkpoints else ()),
        ]

    def _limits(self, recipe: Recipe) -> Limits:
        making, seconds = making_of(recipe), recipe.skipped_seconds + recipe.seconds
        if isinstance(making, Encoding):
            limits = self._patience.limits(seconds, making.second_bytes)
            return replace(limits, file_bytes=limits.file_bytes + _label_bytes(recipe))
        return self._patience.limits(seconds).with_room_for(LONGEST_CHUNK_BYTES)

    async def _encode(self, job: _Job, progress: Progress) -> tuple[int, EncodeReport | None]:
        patience, limits = self._patience, self._limits(job.recipe)
        async with run_child(
            self._command(job),
            limits,
            stall_seconds=patience.stall_seconds
            + patience.stall_share * job.recipe.skipped_seconds,
            cwd=job.target.parent,
            cage=self._cage.reading(job.source),
        ) as child:
            await follow(child, progress, job.kept)
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

    async def _prove(self, directory: Path, wanted: Options | None = None) -> None:
        """Convert a sample before a video is called unreadable.

        An engine that a deploy broke refuses every video; what it says then is no outcome. Raises
        `EngineFailure` if it cannot do even that.
        """
        sample = directory / "sample.wav"
        with disk_errors():
            await asyncio.to_thread(write_sample, sample)
        status, _ = await self._probe(sample)
        if status == 0:
            job = _Job(sample, directory / "sample.audio", sample_recipe(wanted or Options()))
            status, _ = await self._encode(job, ignore)
        if status != 0:
            raise EngineFailure(f"not even a sample is converted: {status}")

    async def decode(self, audio: Path, recipe: Recipe) -> DecodedAudio:
        """Decode a file that `encode` made from end to end and measure it."""
        checking = await asyncio.to_thread(check_of, self._program, audio, making_of(recipe))
        patience, seconds = self._patience, recipe.seconds
        async with run_child(
            checking.command,
            patience.limits(seconds),
            stall_seconds=patience.stall_seconds,
            cwd=audio.parent,
            cage=self._cage,
        ) as child:
            while piece := await child.read(PIECE_BYTES):
                checking.add(piece)
            status = await child.exit_status()
        if status != 0:
            raise EngineFailure(f"the audio does not decode: {status}, {list(child.errors)[-5:]}")
        return checking.result()


def _label_bytes(recipe: Recipe) -> int:
    """Tell how much ffmpeg may write beside the audio: texts, and a picture in Base64."""
    if recipe.options.format is Format.MP3:
        return 0
    picture = recipe.source.cover.size_bytes if recipe.source.cover else 0
    return LABEL_TEXT_BYTES + 2 * picture


def _cover_of(source: Path) -> Path:
    """Tell where the picture lies that a file has of itself."""
    return source.with_name(f"{source.name}.cover")
