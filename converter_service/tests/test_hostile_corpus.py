"""Hostile files through the real engine in its real cage: refused or converted, and nothing else.

Each gets a typed outcome in time, reaches no file and no address that it names, leaves neither
processes nor files behind, and the next video is converted as if nothing had been.
"""

from __future__ import annotations

import asyncio
import struct
import wave
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from converter_containers import block, box, matroska, pcm_track, wav, with_box
from converter_forgeries import flac_of_silence
from converter_hostile import FAMILIES, Seeds
from converter_media import SECONDS, MediaMaker
from converter_pipeline import Pipeline, WatchedEngine
from converter_trap import Trap, trap

from converter_service.adapters.ffmpeg import FfmpegEngine
from converter_service.domain import Failed, Outcome, Succeeded

DEADLINE_SECONDS = 30
SECRET = b"canary-4f1d"
# Nothing that these hold is media; an outcome with audio has it from somewhere else.
NEVER_AUDIO = ("playlists", "texts", "blanks")
# A file that was cut is whole, or refused; what counts as whole is in the README.
CUT, TOLERANCE_SECONDS = "cuts", 0.01


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plant a file that plays, so that a playlist which got at it would have an outcome."""
    path = tmp_path_factory.mktemp("elsewhere") / "canary.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(SECRET * 4000)
    return path


@pytest.fixture(scope="module")
def watch(canary: Path) -> Iterator[Trap]:
    with trap(canary) as made:
        yield made


@pytest.fixture(scope="module")
def seeds(media: MediaMaker, canary: Path, watch: Trap) -> Seeds:
    picture = ("-c:v", "mpeg4")
    two = media.directory / "two.avi"
    media.run("-f", "lavfi", "-i", "sine=440:duration=3", "-map", "0:a", "-map", "0:a", "-c:a",
              "pcm_s16le", str(two))  # fmt: skip
    return Seeds(
        mp4=media.make("seed.mp4", *picture, "-c:a", "aac", "-movflags", "+faststart").read_bytes(),
        mkv=media.make("seed.mkv", *picture, "-c:a", "aac").read_bytes(),
        avi=media.make("seed.avi", *picture, "-c:a", "libmp3lame").read_bytes(),
        wav=media.make("seed.wav", video=False).read_bytes(),
        flac=media.make("seed.flac", video=False).read_bytes(),
        mp3=media.make("seed.mp3", video=False).read_bytes(),
        ogg=media.make("seed.ogg", "-c:a", "libvorbis", video=False).read_bytes(),
        two_tracks_avi=two.read_bytes(),
        edited_m4a=media.make("seed.m4a", "-c:a", "aac", video=False).read_bytes(),
        canary=canary,
        address=watch.address,
    )


@pytest.mark.parametrize("family", FAMILIES)
async def test_hostile_files_are_refused_or_converted_and_do_nothing_else(
    family: str, seeds: Seeds, engine: FfmpegEngine, scratch: Path, watch: Trap, tmp_path: Path
) -> None:
    pipeline = Pipeline(WatchedEngine(engine), scratch)
    files = FAMILIES[family](seeds)

    problems: dict[str, list[str]] = {}
    for name, content in files.items():
        (tmp_path / "video").write_bytes(content)
        outcome = await _within_the_deadline(pipeline, tmp_path / "video")
        found = [*_of_outcome(outcome, family), *_of_world(pipeline, watch)]
        if found:
            problems[name] = found

    (tmp_path / "good").write_bytes(seeds.mp4)
    good = await _within_the_deadline(pipeline, tmp_path / "good")
    assert problems == {}
    assert isinstance(good, Succeeded)


async def _within_the_deadline(pipeline: Pipeline, video: Path) -> Outcome | str | None:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await pipeline.convert(video)
    except TimeoutError:
        return f"no outcome in {DEADLINE_SECONDS} s"


def _of_outcome(outcome: Outcome | str | None, family: str) -> Iterator[str]:
    match outcome:
        case Failed():
            return
        case Succeeded():
            if family in NEVER_AUDIO:
                yield f"{outcome.seconds} s of audio from nowhere"
            if family == CUT and outcome.seconds < SECONDS - TOLERANCE_SECONDS:
                yield f"a cut file became {outcome.seconds} s of audio"
        case None:
            yield "no outcome: the engine is blamed"
        case str():
            yield outcome


def _of_world(pipeline: Pipeline, watch: Trap) -> Iterator[str]:
    """Look for what it did; the trap is set again."""
    yield from watch.sprung()
    if any(SECRET in made for made in pipeline.audio.files.values()):
        yield "the canary is in the audio"
    if left := list(pipeline.scratch.iterdir()):
        yield f"left files: {[each.name for each in left]}"
    if running := _processes_below(pipeline.scratch):
        yield f"left processes: {running}"
    pipeline.audio.files.clear()


def _processes_below(directory: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(directory) in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(words)
    return found


async def test_what_the_corpus_builds_on_plays_where_it_is_not_hostile(
    seeds: Seeds, engine: FfmpegEngine, scratch: Path, tmp_path: Path
) -> None:
    """Else hostile files would be refused for being no media at all."""
    pipeline = Pipeline(WatchedEngine(engine), scratch)
    plain = struct.pack(">II", 0, 1) + box(b"url ", bytes(3) + b"\1")
    files = {
        "Matroska": matroska([pcm_track(1)], [block(1, bytes(16_000))]),
        "WAV": wav(8000, 1, 16, bytes(16_000)),
        "MP4": with_box(seeds.edited_m4a, b"dref", plain),
        "FLAC": flac_of_silence(1),
        **{name: getattr(seeds, name) for name in ("avi", "two_tracks_avi", "edited_m4a", "ogg")},
    }

    outcomes: dict[str, object] = {}
    for name, content in files.items():
        (tmp_path / "video").write_bytes(content)
        outcomes[name] = type(await pipeline.convert(tmp_path / "video"))

    assert outcomes == dict.fromkeys(files, Succeeded)


def test_the_corpus_is_large_and_the_same_every_time(seeds: Seeds) -> None:
    once = {family: make(seeds) for family, make in FAMILIES.items()}
    again = {family: make(seeds) for family, make in FAMILIES.items()}

    assert sum(map(len, once.values())) >= 150
    assert {name: sorted(made) for name, made in once.items()} == {
        name: sorted(made) for name, made in again.items()
    }
    assert once["flips"] == again["flips"]


async def test_the_trap_is_sprung_by_who_opens_the_canary(watch: Trap, canary: Path) -> None:
    await asyncio.to_thread(canary.read_bytes)

    assert watch.sprung() == ["opened canary.wav"]


async def test_the_trap_is_sprung_by_who_calls(watch: Trap) -> None:
    host, port = watch.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()

    assert watch.sprung() == ["connected"]
