"""What a killed encoder leaves is used by the next, and shows in nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from converter_media import MediaMaker
from converter_sounds import Clip

from converter_service.engine.checkpoints import path_of

SECONDS = 65.0
CHUNKS = 7
"""Of ten seconds each."""


def command(ffmpeg: str, source: Path, target: Path, kept: Path) -> list[str]:
    """Convert with two encoders."""
    how = ("--quality", "2", "--workers", "2", "--expected-seconds", str(SECONDS))
    program = (sys.executable, "-P", "-m", "converter_service.engine.encode")
    return [*program, ffmpeg, str(source), str(target), *how, "--checkpoints", str(kept)]


def converted(ffmpeg: str, source: Path, target: Path, kept: Path) -> list[int]:
    """Convert; tell which chunks were encoded, and kept."""
    arguments = command(ffmpeg, source, target, kept)
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=120)
    return sorted(kept_in(done.stdout))


def kept_in(said: str) -> list[int]:
    return [int(line[5:]) for line in said.splitlines() if line.startswith("kept=")]


@pytest.fixture
def clip(media: MediaMaker, tmp_path: Path) -> Path:
    return Clip("music", 5, SECONDS, 44_100, 2).write(media.ffmpeg, tmp_path / "clip.wav")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    directory = tmp_path / "kept"
    directory.mkdir()
    return directory


@pytest.fixture
def undisturbed(media: MediaMaker, clip: Path, kept: Path, tmp_path: Path) -> bytes:
    """The MP3 of a run that nothing happened to; `kept` is as it left it."""
    assert converted(media.ffmpeg, clip, tmp_path / "undisturbed.mp3", kept) == [*range(CHUNKS)]
    return (tmp_path / "undisturbed.mp3").read_bytes()


def test_a_killed_run_costs_the_chunks_that_were_under_way(
    media: MediaMaker, clip: Path, tmp_path: Path, undisturbed: bytes
) -> None:
    kept, target = tmp_path / "of the killed", tmp_path / "killed.mp3"
    kept.mkdir()
    arguments = command(media.ffmpeg, clip, target, kept)
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        said = next(line for line in process.stdout if line.startswith("kept="))
        process.kill()
        said += process.stdout.read()
    survived = kept_in(said)

    encoded = converted(media.ffmpeg, clip, target, kept)

    assert encoded == [number for number in range(CHUNKS) if number not in survived]
    assert len(encoded) < CHUNKS
    assert target.read_bytes() == undisturbed


@pytest.mark.parametrize("lost", [0, 3, CHUNKS - 1])
def test_only_what_is_missing_is_encoded(
    media: MediaMaker, clip: Path, tmp_path: Path, kept: Path, undisturbed: bytes, lost: int
) -> None:
    path_of(kept, lost).unlink()

    encoded = converted(media.ffmpeg, clip, tmp_path / "again.mp3", kept)

    assert encoded == [lost]
    assert (tmp_path / "again.mp3").read_bytes() == undisturbed


def test_what_is_no_chunk_is_encoded_anew(
    media: MediaMaker, clip: Path, tmp_path: Path, kept: Path, undisturbed: bytes
) -> None:
    path_of(kept, 1).write_bytes(b"no frames")
    path_of(kept, 2).write_bytes(path_of(kept, 2).read_bytes()[:-1])

    encoded = converted(media.ffmpeg, clip, tmp_path / "again.mp3", kept)

    assert encoded == [1, 2]
    assert (tmp_path / "again.mp3").read_bytes() == undisturbed


def test_what_is_of_other_audio_makes_no_cut(
    media: MediaMaker, clip: Path, tmp_path: Path, kept: Path, undisturbed: bytes
) -> None:
    path_of(kept, 4).write_bytes(path_of(kept, 5).read_bytes())

    converted(media.ffmpeg, clip, tmp_path / "again.mp3", kept)

    assert (tmp_path / "again.mp3").read_bytes() == undisturbed
