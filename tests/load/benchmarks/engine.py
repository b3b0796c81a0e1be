"""The engine against the same ffmpeg alone: time, processors, size, and exactness."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

from converter_sounds import SOUNDS, Clip, decoded

from converter_service.engine import commands, encode
from converter_service.engine.chunks import Cutter, Overlap
from converter_service.engine.encodings import Quality
from converter_service.engine.mp3_file import MP3File
from converter_service.engine.parallel import NoCut, Parallel
from converter_service.engine.pcm import read_format
from converter_service.engine.reading import Reading

from . import contestants
from .contestants import QUALITY, WORKERS, program
from .rows import Row, alternate, cpu, ratio, wall
from .sizes import Size
from .sources import film

RATES = ((44_100, 2), (48_000, 2), (32_000, 1), (22_050, 2), (44_100, 1))
CLIP_SECONDS = 40.0
CHUNKS = (2, 3, 8, 16)
CPU_GOAL, SIZE_GOAL = 1.10, 0.001


def speed(directory: Path, size: Size) -> Iterator[Row]:
    """Convert ten minutes and half a minute, in turns with ffmpeg."""
    yield from _speed("10min", size.long_seconds, 0.56, directory, size)
    yield from _speed("30s", size.short_seconds, 1.05, directory, size)


def _speed(name: str, seconds: float, goal: float, directory: Path, size: Size) -> Iterator[Row]:
    source = film(directory, seconds)
    ours, theirs = directory / "ours.mp3", directory / "theirs.mp3"
    engine, ffmpeg = alternate(
        size.rounds,
        lambda: contestants.engine(source, ours, seconds),
        lambda: contestants.ffmpeg(source, theirs),
    )
    what = f"{name.replace('min', ' min').replace('30s', '30 s')} MP4: the engine's"
    share, seconds_share = ratio(engine, ffmpeg, wall), ratio(engine, ffmpeg, cpu)
    larger = ours.stat().st_size / theirs.stat().st_size - 1
    yield Row(
        f"encode_{name}_wall", f"{what} time, as a share of ffmpeg's", share, goal,
        is_share_of_time=True,
    )  # fmt: skip
    yield Row(
        f"encode_{name}_cpu", f"{what} CPU seconds, as a share of ffmpeg's", seconds_share, CPU_GOAL
    )
    yield Row(f"encode_{name}_size", f"{what} MP3, larger than ffmpeg's by", larger, SIZE_GOAL)


def exact(directory: Path, size: Size) -> Iterator[Row]:
    """Cut more than 200 clips in several ways; what is heard must be the same."""
    equal = cuts = clips = one_go = 0
    for kind, (rate, channels), seed in itertools.product(SOUNDS, RATES, range(size.seeds)):
        clip = Clip(kind, seed, CLIP_SECONDS, rate, channels).write(program(), directory / "c.wav")
        clips += 1
        serial = directory / "serial.mp3"
        convert_in(1, clip, serial, CLIP_SECONDS)
        wanted = decoded(program(), serial)
        for chunks in CHUNKS:
            cut = directory / "cut.mp3"
            try:
                convert_in(chunks, clip, cut, CLIP_SECONDS)
            except NoCut:
                one_go += 1
                continue
            cuts += 1
            equal += decoded(program(), cut) == wanted
    yield Row("exact_clips", "clips cut in several ways", clips, 200, more_is_better=True)
    what = "cut MP3s that decode to the samples of the uncut one"
    yield Row("exact_share", what, equal / cuts, 1.0, more_is_better=True)
    what = "clips that cannot be cut, and are encoded in one go"
    yield Row("exact_in_one_go_share", what, one_go / (cuts + one_go), None)


def convert_in(chunks: int, source: Path, target: Path, seconds: float) -> None:
    """Convert in so many chunks, however short. Raises `NoCut`."""
    with subprocess.Popen(
        commands.decode(program(), source, Reading()), bufsize=0,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as decoder, target.open("wb") as file:  # fmt: skip
        assert decoder.stdout is not None
        pcm = read_format(decoder.stdout)  # type: ignore[arg-type] # typeshed's Popen has IO
        frames = int(seconds * pcm.sample_rate_hz / pcm.frame_samples) // chunks + 1
        cutter = Cutter(pcm, frames if chunks > 1 else 1 << 20, Overlap())
        encoder = encode.Encoder(commands.encode(program(), pcm, Quality(QUALITY)))
        mp3 = MP3File(file, quality=QUALITY)
        parallel = Parallel(encoder, pcm, WORKERS)
        for batch in parallel.frames(cutter.chunks(decoder.stdout.fileno())):
            mp3.add(batch)
        mp3.finish(cutter.samples)
