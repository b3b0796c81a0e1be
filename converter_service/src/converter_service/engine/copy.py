"""Take an MP3 track out of a file as it is: `python -m ... FFMPEG SOURCE TARGET ...`.

A program of its own for the same reason as `encode`. The frames stay what they are, byte for byte;
only the first one is new, with the LAME tag that players need. Exit status: 0, and how many samples
there are on stderr; 65 if this is nothing to copy, so that it has to be encoded; 74 if the target
could not be written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from converter_service.engine import commands
from converter_service.engine.lame_tag import TagWriter, read_lame_tag
from converter_service.engine.mpeg_audio import FrameReader, MalformedStream
from converter_service.engine.pcm import PIECE_BYTES

NOTHING_TO_COPY, INPUT_OUTPUT = 65, 74  # sysexits.h
ANY_KBPS = 320


class DoesNotFit(Exception):
    """The track is not what was asked for, or not whole."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What to copy; `most_kbps` on average, or `kbps` in every frame."""

    program: str
    source: Path
    target: Path
    track: int
    most_kbps: int
    kbps: int


def main(arguments: Sequence[str]) -> int:
    """Copy as the command line says; return the exit status."""
    work = _assignment(arguments)
    try:
        sys.stderr.write(_copied(work))
    except (DoesNotFit, MalformedStream) as reason:
        sys.stderr.write(f"engine: not copied: {reason}\n")
        return NOTHING_TO_COPY
    except OSError as failure:
        sys.stderr.write(f"target: {failure.strerror}\n")
        return INPUT_OUTPUT
    return 0


def _assignment(arguments: Sequence[str]) -> Assignment:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--track", type=int, default=0)
    parser.add_argument("--most-kbps", type=int, default=ANY_KBPS)
    parser.add_argument("--kbps", type=int, default=0)
    return Assignment(**vars(parser.parse_args(arguments)))


def _copied(work: Assignment) -> str:
    """Copy, and tell how much."""
    delay, padding = _silence(work.source)
    with (
        work.target.open("wb") as file,
        subprocess.Popen(
            commands.copy_mp3(work.program, work.source, work.track),
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ) as process,
    ):
        try:
            tag = _written(cast("BinaryIO", process.stdout), file)
        finally:
            process.kill()
        if status := process.wait():
            raise DoesNotFit(f"ffmpeg ended with {status}")
        _require_fit(work, tag)
        samples = tag.frames * tag.layout.frame_samples - delay - padding
        if samples <= 0:
            raise DoesNotFit("nothing but padding")
        file.seek(0)
        file.write(tag.tag_of(delay, padding))
    return f"engine: copied {samples} samples at {tag.layout.sample_rate_hz} Hz\n"


def _written(stream: BinaryIO, file: BinaryIO) -> TagWriter:
    reader, tag = FrameReader(), None
    while piece := stream.read(PIECE_BYTES):
        frames = reader.add(piece)
        if not frames:
            continue
        if tag is None:
            tag = TagWriter(reader.layout, frames[0], quality=0)
            file.write(tag.placeholder)
        file.write(tag.add(frames))
        done_us = tag.frames * reader.layout.frame_samples * 10**6 // reader.layout.sample_rate_hz
        sys.stdout.write(f"out_time_us={done_us}\n")
        sys.stdout.flush()
    reader.finish()
    if tag is None:
        raise DoesNotFit("no frames")
    return tag


def _require_fit(work: Assignment, tag: TagWriter) -> None:
    if work.kbps and not tag.least_kbps == tag.most_kbps == work.kbps:
        raise DoesNotFit(f"{tag.least_kbps} to {tag.most_kbps} kbit/s")
    if not work.kbps and tag.average_kbps > work.most_kbps:
        raise DoesNotFit(f"{tag.average_kbps:.0f} kbit/s on average")


def _silence(source: Path) -> tuple[int, int]:
    """Tell what the encoder put before and after the sound, by the source's own tag.

    Other containers than MP3 itself have none; nor have many MP3s.
    """
    try:
        tag = read_lame_tag(source)
    except MalformedStream:
        return 0, 0
    return tag.delay_samples, tag.padding_samples


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
