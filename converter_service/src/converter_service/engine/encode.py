"""Convert an audio track of a file to MP3: `python -m ... FFMPEG SOURCE TARGET ...`.

A program of its own, so that the service holds it, and every ffmpeg that it starts, in one cage and
ends them as one group. Says on stdout how far it is, in ffmpeg's words (`out_time_us=`), and which
chunks it has kept (`kept=`, a number); what ffmpeg says is on stderr. Exit status: the decoder's if
that failed (1 if it decoded nothing); 70 if an encoder did, or what it made is not whole; 74 if the
target could not be written.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from threading import Thread
from typing import BinaryIO, cast

from converter_service.engine import commands
from converter_service.engine.checkpoints import Checkpoints
from converter_service.engine.chunks import Chunk, Cutter, Overlap, chunk_frames
from converter_service.engine.encodings import DEFAULT_EFFORT, Quality
from converter_service.engine.mp3_file import MP3File
from converter_service.engine.mpeg_audio import FrameReader, MalformedStream, split
from converter_service.engine.parallel import Encode, NoCut, Parallel
from converter_service.engine.pcm import PIECE_BYTES, Format, MalformedPCM, read_format
from converter_service.engine.reading import Reading

SOFTWARE, INPUT_OUTPUT = 70, 74  # sysexits.h
NOTHING_DECODED = 1
BEST_QUALITY, WORST_QUALITY = 0, 9


class EncoderFailed(Exception):
    """An encoder ended with an error."""


class DecoderFailed(Exception):
    """The decoder ended with an error."""

    def __init__(self, status: int) -> None:
        """Keep its exit status."""
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Assignment:
    """What to convert, and how."""

    program: str
    source: Path
    target: Path
    reading: Reading
    quality: Quality
    workers: int
    expected_seconds: float
    checkpoints: Path | None


def main(arguments: Sequence[str]) -> int:
    """Convert as the command line says; return the exit status."""
    work = _assignment(arguments)
    try:
        _say(_converted(work))
    except DecoderFailed as failure:
        return failure.status
    except (EncoderFailed, MalformedStream, MalformedPCM) as failure:
        _say(f"engine: {failure!r}")
        return SOFTWARE
    except OSError as failure:
        _say(f"target: {failure.strerror}")
        return INPUT_OUTPUT
    return 0


def _assignment(arguments: Sequence[str]) -> Assignment:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--quality", type=int, choices=range(BEST_QUALITY, WORST_QUALITY + 1))
    parser.add_argument("--effort", type=int, choices=range(10), default=DEFAULT_EFFORT)
    parser.add_argument("--track", type=int, default=0)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--end", type=int)
    parser.add_argument("--gain-db", type=float, default=0.0)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--channels", type=int, choices=range(3), default=0)
    parser.add_argument("--source-channels", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--expected-seconds", type=float, default=0.0)
    parser.add_argument("--checkpoints", type=Path, help="where chunks are kept once encoded")
    said = parser.parse_args(arguments)
    return Assignment(
        said.program,
        said.source,
        said.target,
        Reading(
            track=said.track,
            start=said.start,
            end=said.end,
            gain_db=said.gain_db,
            sample_rate_hz=said.rate,
            channels=said.channels,
            source_channels=said.source_channels,
        ),
        Quality(said.quality, said.effort),
        said.workers,
        said.expected_seconds,
        said.checkpoints,
    )


def options(reading: Reading) -> Sequence[str]:
    """Write a reading for the command line."""
    return [
        *("--track", str(reading.track), "--start", str(reading.start)),
        *(() if reading.end is None else ("--end", str(reading.end))),
        *("--gain-db", str(reading.gain_db), "--rate", str(reading.sample_rate_hz)),
        *("--channels", str(reading.channels), "--source-channels", str(reading.source_channels)),
    ]


def _converted(work: Assignment) -> str:
    """Convert, and tell how."""
    try:
        return _in_parallel(work)
    except NoCut:
        return in_one_go(work)


def _in_parallel(work: Assignment) -> str:
    with _decoded(work) as (pcm, source), work.target.open("wb") as file:
        expected = int(work.expected_seconds * pcm.sample_rate_hz / pcm.frame_samples)
        cutter = Cutter(pcm, chunk_frames(expected), Overlap())
        encoder: Encode = Encoder(commands.encode(work.program, pcm, work.quality))
        if work.checkpoints:
            encoder = Checkpoints(encoder, work.checkpoints, _say_kept)
        parallel = Parallel(encoder, pcm, work.workers)
        mp3 = MP3File(file, quality=work.quality.vbr)
        for frames in parallel.frames(cutter.chunks(source)):
            mp3.add(frames)
            _say_done(mp3.frames, pcm)
        mp3.finish(cutter.samples)
    return f"engine: in parallel, {parallel.cuts} cuts, {parallel.hard_cuts} of them hard"


def in_one_go(work: Assignment) -> str:
    """Convert with a single encoder; tell so."""
    with _decoded(work) as (pcm, source), work.target.open("wb") as file:
        mp3, reader, pump = MP3File(file, quality=work.quality.vbr), FrameReader(), Pump(source)
        with _running(commands.encode(work.program, pcm, work.quality), stdin=PIPE) as encoder:
            pump.start(cast("BinaryIO", encoder.stdin))
            stdout = cast("BinaryIO", encoder.stdout)
            while piece := stdout.read(PIECE_BYTES):
                mp3.add(reader.add(piece))
                _say_done(mp3.frames, pcm)
            reader.finish()
            _require_success(encoder)
        mp3.finish(pump.join() // pcm.sample_bytes)
    return "engine: in one go"


class Encoder:
    """Encodes chunks."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Start a program with these arguments each time."""
        self._arguments = arguments

    def __call__(self, chunk: Chunk) -> list[bytes]:
        """Give frames. Raises `EncoderFailed` and `MalformedStream`."""
        with _running(self._arguments, stdin=chunk.samples.rewind()) as encoder:
            stream = cast("BinaryIO", encoder.stdout).read()
            _require_success(encoder)
        return split(stream)


class Pump:
    """Moves bytes from one pipe to another in a thread, and counts them."""

    def __init__(self, source: int) -> None:
        """Take from this descriptor."""
        self._source = source
        self._moved = 0
        self._thread: Thread | None = None

    def start(self, target: BinaryIO) -> None:
        """Begin; closes `target` at the end."""
        self._thread = Thread(target=self._run, args=(target,), daemon=True)
        self._thread.start()

    def join(self) -> int:
        """Wait for the end; tell how many bytes there were."""
        if self._thread is not None:
            self._thread.join()
        return self._moved

    def _run(self, target: BinaryIO) -> None:
        with target:
            while moved := os.splice(self._source, target.fileno(), PIECE_BYTES):
                self._moved += moved


@contextmanager
def _decoded(work: Assignment) -> Iterator[tuple[Format, int]]:
    """Decode; give what comes, and from where. Raises `DecoderFailed` when it ends so."""
    with _running(
        commands.decode(work.program, work.source, work.reading), stdin=subprocess.DEVNULL
    ) as decoder:
        stdout = cast("BinaryIO", decoder.stdout)
        try:
            pcm = read_format(stdout)
        except MalformedPCM:
            raise DecoderFailed(_status(decoder) or NOTHING_DECODED) from None
        yield pcm, stdout.fileno()
        if status := _status(decoder):
            raise DecoderFailed(status)


@contextmanager
def _running(arguments: Sequence[str], *, stdin: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program whose stdout is a pipe; leaving the context kills it."""
    with subprocess.Popen(arguments, bufsize=0, stdin=stdin, stdout=PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def _status(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end; a signal says nothing about the source."""
    status = process.wait()
    return SOFTWARE if status < 0 else status


def _require_success(encoder: subprocess.Popen[bytes]) -> None:
    if status := encoder.wait():
        raise EncoderFailed(f"status {status}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _say_kept(number: int) -> None:
    sys.stdout.write(f"kept={number}\n")  # one write: several threads say so
    sys.stdout.flush()


def _say_done(frames: int, pcm: Format) -> None:
    done_us = frames * pcm.frame_samples * 1_000_000 // pcm.sample_rate_hz
    sys.stdout.write(f"out_time_us={done_us}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
