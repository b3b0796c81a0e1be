"""Audio that is encoded in parallel is what one encoder makes of it, sample for sample."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import BinaryIO, cast

import pytest
from converter_media import MediaMaker
from converter_sounds import SOUNDS, Clip, decoded

from converter_service.engine import commands, encode
from converter_service.engine.chunks import Chunk, Cutter, Overlap, chunk_frames, lengthen
from converter_service.engine.encodings import Quality
from converter_service.engine.lame_tag import read_lame_tag
from converter_service.engine.mp3_file import MP3File
from converter_service.engine.mpeg_audio import MalformedStream
from converter_service.engine.parallel import Encode, NoCut, Parallel
from converter_service.engine.pcm import Format, Samples, read_format
from converter_service.engine.reading import Reading

SECONDS = 24.1
STANDARD = Quality(2)
TINY = Format(44_100, 1)
"""Frames of 4,608 bytes."""


@contextmanager
def pcm_of(ffmpeg: str, source: Path) -> Iterator[tuple[Format, int]]:
    """Decode as the engine does."""
    with subprocess.Popen(
        commands.decode(ffmpeg, source, Reading()),
        bufsize=0,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as decoder:
        assert decoder.stdout is not None
        yield read_format(cast("BinaryIO", decoder.stdout)), decoder.stdout.fileno()


def convert(
    ffmpeg: str, source: Path, target: Path, chunks: int, quality: Quality = STANDARD
) -> Parallel:
    """Convert in so many chunks."""
    with pcm_of(ffmpeg, source) as (pcm, descriptor), target.open("wb") as file:
        frames = int(SECONDS * pcm.sample_rate_hz / pcm.frame_samples) // chunks + 1
        cutter = Cutter(pcm, frames if chunks > 1 else 1 << 20, Overlap())
        encoder = encode.Encoder(commands.encode(ffmpeg, pcm, quality))
        parallel = Parallel(encoder, pcm, workers=2)
        mp3 = MP3File(file, quality=quality.vbr)
        for batch in parallel.frames(cutter.chunks(descriptor)):
            mp3.add(batch)
        mp3.finish(cutter.samples)
    return parallel


@contextmanager
def piped(content: bytes) -> Iterator[int]:
    """Offer bytes at the end of a pipe."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as end:
            end.write(content)

    thread = Thread(target=write)
    thread.start()
    yield reading
    thread.join()
    os.close(reading)


def content_of(samples: Samples) -> bytes:
    return os.pread(samples.descriptor, samples.size, 0)


def numbered(frames: int) -> bytes:
    """Make frames of TINY that can be told from one another."""
    return b"".join(bytes([number % 251]) * TINY.frame_bytes for number in range(frames))


def parroting(late: int = 0) -> Encode:
    """Make an encoder whose frames are their samples, but for the first `late` ones it hears."""

    def frames(chunk: Chunk) -> list[bytes]:
        content = content_of(chunk.samples)
        size = TINY.frame_bytes
        heard = [content[at : at + size] for at in range(0, len(content), size)]
        return unlike(min(late, len(heard))) + heard[late:]

    return frames


def unlike(frames: int) -> list[bytes]:
    """Make frames that are only equal if both encoders began at the same place."""
    return [f"frame {number}".encode() for number in range(frames)]


def cut_and_encoded(
    frames: int, encoder: Encode, chunk: int = 100, *, has_sound: bool = True
) -> tuple[Parallel, bytes]:
    parallel = Parallel(encoder, TINY, workers=2, has_sound=lambda _: has_sound)
    with piped(numbered(frames)) as source:
        chunks = Cutter(TINY, chunk, Overlap()).chunks(source)
        made = [each for batch in parallel.frames(chunks) for each in batch]
    return parallel, b"".join(made)


@pytest.mark.parametrize("kind", SOUNDS)
@pytest.mark.parametrize(
    ("rate", "channels"), [(44_100, 2), (48_000, 1), (32_000, 2), (22_050, 2), (16_000, 1)]
)
def test_two_encoders_make_what_one_makes(
    media: MediaMaker, tmp_path: Path, kind: str, rate: int, channels: int
) -> None:
    clip = Clip(kind, 7, SECONDS, rate, channels).write(media.ffmpeg, tmp_path / "clip.wav")

    serial, parallel = tmp_path / "serial.mp3", tmp_path / "parallel.mp3"

    cuts = [
        convert(media.ffmpeg, clip, serial, 1).cuts,
        convert(media.ffmpeg, clip, parallel, 2).cuts,
    ]

    samples = decoded(media.ffmpeg, parallel)
    assert cuts == [0, 1]
    assert samples == decoded(media.ffmpeg, serial)
    assert len(samples) == round(SECONDS * rate) * channels * 2
    assert serial.read_bytes() == parallel.read_bytes()


@pytest.mark.parametrize("kind", SOUNDS)
@pytest.mark.parametrize("quality", [Quality(0), Quality(4), Quality(9), Quality(4, effort=7)])
def test_two_encoders_make_what_one_makes_at_every_quality(
    media: MediaMaker, tmp_path: Path, kind: str, quality: Quality
) -> None:
    clip = Clip(kind, 3, SECONDS, 44_100, 2).write(media.ffmpeg, tmp_path / "clip.wav")
    serial, parallel = tmp_path / "serial.mp3", tmp_path / "parallel.mp3"

    convert(media.ffmpeg, clip, serial, 1, quality)
    cuts = convert(media.ffmpeg, clip, parallel, 2, quality).cuts

    assert cuts == 1
    assert serial.read_bytes() == parallel.read_bytes()


@pytest.mark.parametrize("kind", ["music", "noise", "transients"])
def test_it_is_what_ffmpeg_makes_without_a_reservoir_in_less_space(
    media: MediaMaker, tmp_path: Path, kind: str
) -> None:
    clip = Clip(kind, 3, SECONDS, 44_100, 2).write(media.ffmpeg, tmp_path / "clip.wav")
    ours, theirs, usual = (tmp_path / f"{name}.mp3" for name in ("ours", "theirs", "usual"))

    convert(media.ffmpeg, clip, ours, 2)
    media.run("-i", str(clip), "-q:a", "2", "-reservoir", "0", str(theirs))
    media.run("-i", str(clip), "-q:a", "2", str(usual))

    assert decoded(media.ffmpeg, ours) == decoded(media.ffmpeg, theirs)
    assert ours.stat().st_size <= usual.stat().st_size * 1.001
    assert read_lame_tag(ours).samples == read_lame_tag(theirs).samples


def test_a_chunk_holds_what_its_neighbours_share() -> None:
    with piped(numbered(250)) as source:
        chunks = [
            (chunk.before, chunk.frames, content_of(chunk.samples))
            for chunk in Cutter(TINY, 100, Overlap()).chunks(source)
        ]

    whole, frame = numbered(250), TINY.frame_bytes
    assert [(before, frames) for before, frames, _ in chunks] == [(0, 100), (20, 100), (20, None)]
    assert chunks[0][2] == whole[: 108 * frame]
    assert chunks[1][2] == whole[80 * frame : 208 * frame]
    assert chunks[2][2] == whole[180 * frame :]


@pytest.mark.parametrize("frames", [5, 99, 100, 107, 108, 109, 200, 208, 300])
def test_every_frame_is_there_once_wherever_the_end_falls(frames: int) -> None:
    parallel, made = cut_and_encoded(frames, parroting(late=5))

    assert made == b"".join(unlike(5)) + numbered(frames)[5 * TINY.frame_bytes :]
    assert parallel.hard_cuts == 0


@pytest.mark.parametrize("late", [9, 20, 60, 88, 101])
def test_an_encoder_that_takes_longer_to_agree_hears_more_before_the_cut(late: int) -> None:
    parallel, made = cut_and_encoded(200, parroting(late))

    assert made == b"".join(unlike(late)) + numbered(200)[late * TINY.frame_bytes :]
    assert (parallel.cuts, parallel.hard_cuts) == (1, 1)


def test_silence_proves_little_so_a_cut_in_it_takes_more_of_it() -> None:
    parallel, made = cut_and_encoded(900, parroting(), 400, has_sound=False)

    assert made == numbered(900)
    assert (parallel.cuts, parallel.hard_cuts) == (2, 2)


def test_too_little_silence_makes_no_cut() -> None:
    with pytest.raises(NoCut):
        cut_and_encoded(300, parroting(), 100, has_sound=False)


def test_an_encoder_that_makes_too_few_frames_is_not_believed() -> None:
    def forgetful(chunk: Chunk) -> list[bytes]:
        return parroting()(chunk)[:-7]

    with pytest.raises(MalformedStream):
        cut_and_encoded(200, forgetful)


def test_a_longer_warm_up_ends_where_the_chunk_before_begins() -> None:
    with piped(numbered(200)) as source:
        first, second = Cutter(TINY, 100, Overlap()).chunks(source)
        longer = lengthen(second, first, 1000, TINY)

    assert longer.before == 100
    assert content_of(longer.samples) == numbered(200)


def test_chunks_of_long_audio_last_half_a_minute_and_of_short_audio_a_third_of_that() -> None:
    assert [chunk_frames(frames) for frames in (0, 1000, 10_000, 1_000_000)] == [
        384,
        384,
        625,
        1152,
    ]


def test_what_no_cut_divides_is_encoded_in_one_go(
    media: MediaMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = Clip("music", 1, SECONDS, 44_100, 2).write(media.ffmpeg, tmp_path / "clip.wav")
    parallel, serial = tmp_path / "parallel.mp3", tmp_path / "serial.mp3"
    convert(media.ffmpeg, clip, parallel, 2)

    said = encode.in_one_go(
        encode.Assignment(media.ffmpeg, clip, serial, Reading(), STANDARD, 2, SECONDS, None)
    )

    assert said == "engine: in one go"
    assert serial.read_bytes() == parallel.read_bytes()
    assert "out_time_us=" in capsys.readouterr().out
