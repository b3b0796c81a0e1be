"""The engine against the same ffmpeg alone: time, processors, size, and exactness."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from converter_sounds import SOUNDS, Clip, decoded

from converter_service.adapters.ffmpeg import find_ffmpeg
from converter_service.engine import commands, encode
from converter_service.engine.chunks import Cutter, Overlap
from converter_service.engine.encodings import Quality
from converter_service.engine.mp3_file import MP3File
from converter_service.engine.parallel import NoCut, Parallel
from converter_service.engine.pcm import read_format
from converter_service.engine.reading import Reading

from .rows import Cost, Row, alternate, cost, ratio

QUALITY = 2
RATES = ((44_100, 2), (48_000, 2), (32_000, 1), (22_050, 2), (44_100, 1))
SEEDS = 6
CLIP_SECONDS = 40.0
CHUNKS = (2, 3, 8, 16)
PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25")


def speed(directory: Path, rounds: int) -> Iterator[Row]:
    """Convert ten minutes and half a minute, in turns with ffmpeg."""
    yield from _speed("10min", _video(directory, 600.0), rounds, 0.56)
    yield from _speed("30s", _video(directory, 30.0), rounds, 1.05)


def _speed(name: str, source: Path, rounds: int, goal: float) -> Iterator[Row]:
    ours, theirs = source.with_suffix(".ours"), source.with_suffix(".theirs")
    seconds = float(source.stem)
    engine, ffmpeg = alternate(
        rounds, lambda: _engine(source, ours, seconds), lambda: _ffmpeg(source, theirs)
    )
    yield Row(f"encode_{name}_wall", ratio(engine, ffmpeg, lambda it: it.wall_seconds), goal)
    yield Row(f"encode_{name}_cpu", ratio(engine, ffmpeg, lambda it: it.cpu_seconds), 1.10)
    yield Row(f"encode_{name}_size", ours.stat().st_size / theirs.stat().st_size - 1, 0.001)


def exact(directory: Path, _: int) -> Iterator[Row]:
    """Cut more than 200 clips in several ways; what is heard must be the same."""
    equal = cuts = clips = one_go = 0
    for kind, (rate, channels), seed in itertools.product(SOUNDS, RATES, range(SEEDS)):
        clip = Clip(kind, seed, CLIP_SECONDS, rate, channels).write(_program(), directory / "c.wav")
        clips += 1
        serial = directory / "serial.mp3"
        _convert(clip, serial, 1)
        wanted = decoded(_program(), serial)
        for chunks in CHUNKS:
            cut = directory / "cut.mp3"
            try:
                _convert(clip, cut, chunks)
            except NoCut:
                one_go += 1
                continue
            cuts += 1
            equal += decoded(_program(), cut) == wanted
    yield Row("exact_clips", clips, 200, more_is_better=True)
    yield Row("exact_share", equal / cuts, 1.0, more_is_better=True)
    yield Row("exact_in_one_go_share", one_go / (cuts + one_go), 1.0)


def _program() -> str:
    return find_ffmpeg("")


def _video(directory: Path, seconds: float) -> Path:
    target = directory / f"{seconds:.0f}.mp4"
    if not target.exists():
        clip = Clip("music", 1, seconds, 44_100, 2).write(_program(), directory / "music.wav")
        encoded = ("-c:v", "mpeg4", "-q:v", "8", "-c:a", "aac", "-b:a", "160k", "-shortest")
        subprocess.run(
            [_program(), "-nostdin", "-v", "error", "-y", *PICTURE, "-i", str(clip), *encoded,
             "-movflags", "+faststart", str(target)],
            check=True, timeout=600,
        )  # fmt: skip
    return target


def _engine(source: Path, target: Path, seconds: float) -> Cost:
    program = [sys.executable, "-P", "-m", "converter_service.engine.encode", _program()]
    how = ("--quality", str(QUALITY), "--workers", "2", "--expected-seconds", str(seconds))
    return cost([*program, str(source), str(target), *how])


def _ffmpeg(source: Path, target: Path) -> Cost:
    how = ("-map", "0:a:0", "-q:a", str(QUALITY), "-f", "mp3", "-y", str(target))
    return cost([_program(), "-nostdin", "-i", str(source), *how])


def _convert(source: Path, target: Path, chunks: int) -> None:
    with subprocess.Popen(
        commands.decode(_program(), source, Reading()), bufsize=0,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as decoder, target.open("wb") as file:  # fmt: skip
        assert decoder.stdout is not None
        pcm = read_format(decoder.stdout)  # type: ignore[arg-type] # typeshed's Popen has IO
        frames = int(CLIP_SECONDS * pcm.sample_rate_hz / pcm.frame_samples) // chunks + 1
        cutter = Cutter(pcm, frames if chunks > 1 else 1 << 20, Overlap())
        encoder = encode.Encoder(commands.encode(_program(), pcm, Quality(QUALITY)))
        mp3 = MP3File(file, quality=QUALITY)
        parallel = Parallel(encoder, pcm, workers=2)
        for batch in parallel.frames(cutter.chunks(decoder.stdout.fileno())):
            mp3.add(batch)
        mp3.finish(cutter.samples)
