"""A wrong MP3 is noticed by listening to it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tonearm_local.listening import WrongAudio, check, listen
from tonearm_local.sample import ffmpeg
from tonearm_local.tune import BEAT_SECONDS, MELODY


def make(file: Path, source: str, seconds: float) -> Path:
    """Make an audio file with ffmpeg."""
    command = [ffmpeg(), "-loglevel", "error", "-y", "-f", "lavfi", "-i", source]
    subprocess.run([*command, "-t", str(seconds), str(file)], check=True)
    return file


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("audio") / "original.m4a", "sine", 12)


def test_the_same_sound_passes(original: Path, tmp_path: Path) -> None:
    heard = check(make(tmp_path / "same.mp3", "sine", 12), original)

    assert heard.seconds == pytest.approx(12, abs=0.05)
    assert heard.loudest_dbfs > -30


def test_a_shorter_sound_is_noticed(original: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongAudio, match=r"plays 11\.\d+ s, not 12"):
        check(make(tmp_path / "short.mp3", "sine", 11.9), original)


def test_silence_is_noticed(original: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongAudio, match="is silent"):
        check(make(tmp_path / "silent.mp3", "anullsrc", 12), original)


def test_what_does_not_decode_is_noticed(original: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"this is no audio")

    with pytest.raises(WrongAudio, match="does not decode"):
        check(broken, original)


def test_a_silent_video_may_become_a_silent_mp3(tmp_path: Path) -> None:
    silent = make(tmp_path / "silent.m4a", "anullsrc", 2)

    assert check(make(tmp_path / "silent.mp3", "anullsrc", 2), silent).loudest_dbfs < -60


def test_the_tune_lasts_thirty_seconds() -> None:
    assert sum(float(note[1:]) for note in MELODY) * BEAT_SECONDS == 30.0


def test_listening_counts_samples_not_headers(original: Path) -> None:
    assert listen(original).seconds == pytest.approx(12, abs=0.05)
