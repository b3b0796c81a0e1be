"""What a look at a file tells, and how little a hostile one can make of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from converter_media import SECONDS, MediaMaker

from converter_service.adapters.ffmpeg import FfmpegEngine
from converter_service.adapters.probe_texts import chapters, tags, text
from converter_service.domain import Chapter, NoAudio, Picture, Track, UnreadableVideo
from converter_service.wire import source_message

BILLION = 10**9
METADATA = """;FFMETADATA1
title=A \\; title
ARTIST=Some\\
one
disc=1/2
nonsense=x
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1500
title=one
[CHAPTER]
TIMEBASE=1/1000
START=1500
END=3000
title=two
"""


@pytest.fixture
def full(media: MediaMaker) -> Path:
    """A video that has everything."""
    target = media.directory / "full.mkv"
    if target.exists():
        return target
    notes = media.write("full.txt", METADATA.encode())
    cover = media.directory / "cover.png"
    media.run("-f", "lavfi", "-i", "testsrc=size=32x32", "-frames:v", "1", str(cover))
    tone = ("-f", "lavfi", "-i", f"sine=440:duration={SECONDS}")
    media.run(
        *("-f", "lavfi", "-i", f"testsrc=size=64x48:rate=10:duration={SECONDS}"), *tone, *tone,
        *("-i", str(notes), "-map", "0", "-map", "1", "-map", "2", "-map_metadata", "3"),
        *("-c:v", "mpeg4", "-c:a:0", "aac", "-c:a:1", "libmp3lame", "-ar:a:1", "22050"),
        *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"),
        *("-metadata:s:a:1", "title=Kommentar", "-disposition:a:1", "default"),
        *("-disposition:a:0", "0", "-attach", str(cover)),
        *("-metadata:s:t:0", "mimetype=image/png", "-metadata:s:t:0", "filename=cover.png"),
        str(target),
    )  # fmt: skip
    return target


async def test_a_look_tells_all_that_a_file_has(
    full: Path, engine: FfmpegEngine, tmp_path: Path
) -> None:
    video = Path(shutil.copy(full, tmp_path / "video"))

    source = await engine.inspect(video)

    first, second = source.tracks
    assert source.container == "matroska"
    assert [each.audio.codec for each in source.tracks] == ["aac", "mp3float"]
    assert first == Track(first.audio, 44_100, 1, "eng")
    assert second == Track(second.audio, 22_050, 1, "ger", "Kommentar", is_default=True)
    assert source.chapters == (
        Chapter(0, 1_500_000_000, "one"),
        Chapter(1_500_000_000, 3_000_000_000, "two"),
    )
    assert dict(source.tags) == {
        "title": "A ; title",
        "artist": "Some one",
        "disc_number": "1/2",
    }
    picture = (tmp_path / "video.cover").read_bytes()
    assert source.cover == Picture("image/png", len(picture))
    assert picture.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["full.mp4", "full.mp3", "full.m4a", "full.flac", "full.ogg"])
async def test_the_name_says_nothing(
    name: str, full: Path, engine: FfmpegEngine, tmp_path: Path
) -> None:
    disguised = Path(shutil.copy(full, tmp_path / name))

    assert (await engine.inspect(disguised)).container == "matroska"


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("cover.mp3", ("-c:a", "libmp3lame")),
        ("cover.m4a", ("-c:a", "aac")),
        ("cover.flac", ("-c:a", "flac")),
    ],
)
async def test_pictures_and_tags_of_sound_files_are_found(
    name: str, encoding: tuple[str, ...], media: MediaMaker, engine: FfmpegEngine, tmp_path: Path
) -> None:
    target, picture = tmp_path / name, tmp_path / "picture.jpg"
    media.run("-f", "lavfi", "-i", "testsrc=size=32x32", "-frames:v", "1", str(picture))
    media.run(
        *("-f", "lavfi", "-i", f"sine=440:duration={SECONDS}", "-i", str(picture), "-map", "0:a"),
        *("-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic", *encoding),
        *("-metadata", "title=T", "-metadata", "track=3/4", str(target)),
    )

    source = await engine.inspect(target)

    assert source.cover == Picture("image/jpeg", picture.stat().st_size)
    assert target.with_name(f"{name}.cover").read_bytes() == picture.read_bytes()
    assert dict(source.tags) == {"title": "T", "track_number": "3/4"}


async def test_ten_thousand_tags_and_chapters_do_not_matter(
    media: MediaMaker, engine: FfmpegEngine, tmp_path: Path
) -> None:
    notes = [";FFMETADATA1", "title=" + "t\x1b\u202e" * 5_000]
    notes += [f"x{number}={'y' * 100}" for number in range(10_000)]
    for number in range(2_000):
        notes += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={number}", f"END={number + 1}"]
        notes.append("title=" + "\U0001f3b5" * 1_000)
    listed = media.write("hostile.txt", "\n".join(notes).encode())
    target = tmp_path / "hostile.mkv"
    tone = ("-f", "lavfi", "-i", f"sine=440:duration={SECONDS}")
    media.run(*tone, "-i", str(listed), "-map_metadata", "1", "-c:a", "flac", str(target))

    source = await engine.inspect(target)

    assert len(source.chapters) == 255
    assert {len(each.title) for each in source.chapters} == {200}
    assert [name for name, _ in source.tags] == ["title"]
    assert set(dict(source.tags)["title"]) <= {"t", " "}
    # Kafka takes a million bytes, and the gateway keeps half of that.
    assert source_message(replace(source, tracks=source.tracks * 64)).ByteSize() < 400_000


async def test_a_picture_that_is_none_is_left(
    media: MediaMaker, engine: FfmpegEngine, tmp_path: Path
) -> None:
    false = media.write("false.png", b"#!/bin/sh\n" * 100)
    target = tmp_path / "false.mkv"
    media.run(
        *("-f", "lavfi", "-i", "sine=440:duration=1", "-c:a", "flac", "-attach", str(false)),
        *("-metadata:s:t:0", "mimetype=image/png", str(target)),
    )

    source = await engine.inspect(target)

    assert source.cover is None
    assert not (tmp_path / "false.mkv.cover").exists()


async def test_a_video_without_sound_has_none(
    media: MediaMaker, engine: FfmpegEngine, tmp_path: Path
) -> None:
    target = tmp_path / "mute.mp4"
    media.run("-f", "lavfi", "-i", "testsrc=size=64x48:duration=1", "-c:v", "mpeg4", str(target))

    with pytest.raises(NoAudio):
        await engine.inspect(target)


async def test_what_is_no_video_is_unreadable(engine: FfmpegEngine, tmp_path: Path) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"noise" * 1000)

    with pytest.raises(UnreadableVideo):
        await engine.inspect(noise)


def test_texts_are_short_and_harmless() -> None:
    assert text("a\x00\x1b[31m\u202eb\ud800" + "c" * 10**6, 12) == "a [31m b ccc"
    assert tags({"TITLE": "T", "title": "other", "encoder": "x", "artist": "\n"}) == {"title": "T"}


def test_chapters_without_length_or_clock_are_none() -> None:
    plain = {"start": 0, "end": 1, "time_base": 1, "metadata": {}}

    found = chapters([plain, plain | {"start": 1}, plain | {"start": -1}, plain | {"end": 10**30}])

    assert found == [(0, BILLION, "")]
