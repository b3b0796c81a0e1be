"""Tags, chapters and pictures: what players show of the audio."""

from __future__ import annotations

import asyncio
import shutil
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from converter_fakes import DEFAULT, InMemoryAudioStore, source_of, whole_audio
from converter_jobs import Convert, made_file, succeeds
from converter_media import SECONDS, MediaMaker

from converter_service.domain import (
    Chapter,
    Chapters,
    Cover,
    Format,
    Options,
    Recipe,
    Tags,
    TagsOrigin,
    Trim,
    chapters_of,
    tags_of,
)
from converter_service.engine.id3 import Image, Mark, id3_tag
from converter_service.engine.notes import notes

SECOND = 10**9
NOTES = """;FFMETADATA1
title=Källa
artist=Somebody
track=3/4
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
def labelled(media: MediaMaker) -> Path:
    """A sound file with tags, chapters and a picture."""
    target = media.directory / "labelled.mp3"
    if target.exists():
        return target
    told, picture = media.write("told.txt", NOTES.encode()), media.directory / "told.png"
    media.run("-f", "lavfi", "-i", "testsrc=size=32x32", "-frames:v", "1", str(picture))
    media.run(
        *("-f", "lavfi", "-i", f"sine=440:duration={SECONDS}", "-i", str(told)),
        *("-i", str(picture), "-map", "0", "-map", "2", "-map_metadata", "1", "-c:v", "copy"),
        *("-disposition:v", "attached_pic", "-c:a", "libmp3lame", str(target)),
    )
    return target


def described(path: Path) -> tuple[dict[str, str], list[tuple[float, float, str]], bytes]:
    """Read tags, chapters and picture with another library."""
    with av.open(str(path)) as container:
        metadata = {**container.streams.audio[0].metadata, **container.metadata}
        chapters: list[Any] = list(container.chapters())
        picture = b""
        for stream in container.streams.video:
            picture = next(bytes(each) for each in container.demux(stream))
    return (
        {name.lower(): text for name, text in metadata.items()},
        [
            (
                float(each["start"] * each["time_base"]),
                float(each["end"] * each["time_base"]),
                each["metadata"].get("title", ""),
            )
            for each in chapters
        ],
        picture,
    )


async def test_an_mp3_keeps_what_its_source_says_of_itself(
    labelled: Path, media: MediaMaker, convert: Convert, audio: InMemoryAudioStore, tmp_path: Path
) -> None:
    await succeeds(convert(labelled))

    tags, chapters, picture = described(made_file(audio, tmp_path))
    assert (tags["title"], tags["artist"], tags["track"]) == ("Källa", "Somebody", "3/4")
    assert chapters == [(0.0, 1.5, "one"), (1.5, 3.0, "two")]
    assert picture == await asyncio.to_thread((media.directory / "told.png").read_bytes)


@pytest.mark.parametrize("made", [Format.AAC, Format.OPUS, Format.FLAC, Format.WAV])
async def test_other_files_keep_tags(
    made: Format, labelled: Path, convert: Convert, audio: InMemoryAudioStore, tmp_path: Path
) -> None:
    wanted = Tags(given=(("artist", "-i /etc/passwd; = # \\ \u00fc"),))

    await succeeds(convert(labelled, Options(format=made, tags=wanted)))

    tags, chapters, _ = described(made_file(audio, tmp_path))
    assert tags["title"] == "Källa"
    assert tags["artist"] == "-i /etc/passwd; = # \\ \u00fc"
    if made is not Format.WAV:
        assert [(start, title) for start, _, title in chapters] == [(0.0, "one"), (1.5, "two")]


@pytest.mark.parametrize("made", [Format.OPUS, Format.FLAC])
async def test_opus_and_flac_keep_the_picture(
    made: Format,
    labelled: Path,
    media: MediaMaker,
    convert: Convert,
    audio: InMemoryAudioStore,
    tmp_path: Path,
) -> None:
    await succeeds(convert(labelled, Options(format=made)))

    _, _, picture = described(made_file(audio, tmp_path))
    assert picture == await asyncio.to_thread((media.directory / "told.png").read_bytes)


@pytest.mark.parametrize("kbps", [0, 128])
async def test_a_label_changes_no_frame(
    kbps: int, labelled: Path, convert: Convert, audio: InMemoryAudioStore
) -> None:
    bare = Options(
        bitrate_kbps=kbps,
        tags=Tags(TagsOrigin.NOTHING),
        cover=Cover.NONE,
        chapters=Chapters.DROP,
    )

    await succeeds(convert(labelled, replace(DEFAULT, bitrate_kbps=kbps)))
    await succeeds(convert(labelled, bare))

    full, frames = audio.files.values()
    assert full.startswith(b"ID3\x04")
    assert frames[:2] in (b"\xff\xfb", b"\xff\xfa")
    assert full.endswith(frames)


async def test_a_retry_makes_the_same_bytes(
    labelled: Path, convert: Convert, audio: InMemoryAudioStore
) -> None:
    for made in (Format.MP3, Format.FLAC):
        for _ in range(2):
            await succeeds(convert(labelled, Options(format=made)))

    one, two, three, four = audio.files.values()
    assert one == two
    assert three == four


def test_given_tags_count_more_than_the_sources() -> None:
    source = replace(source_of(whole_audio(3.0)), tags=(("artist", "theirs"), ("title", "theirs")))
    given = (("title", "ours"),)

    def tags(origin: TagsOrigin) -> dict[str, str]:
        return tags_of(Recipe.of(Options(tags=Tags(origin, given)), source))

    assert tags(TagsOrigin.SOURCE) == {"artist": "theirs", "title": "ours"}
    assert tags(TagsOrigin.NOTHING) == {"title": "ours"}


def test_chapters_move_with_the_part_that_is_kept() -> None:
    source = replace(
        source_of(whole_audio(10.0)),
        chapters=(
            Chapter(0, 2 * SECOND, "gone"),
            Chapter(2 * SECOND, 5 * SECOND, "cut"),
            Chapter(5 * SECOND, 8 * SECOND, "cut, too"),
            Chapter(8 * SECOND, 9 * SECOND, "gone, too"),
        ),
    )
    trim = Trim(start_ns=3 * SECOND, end_ns=7 * SECOND)

    kept = chapters_of(Recipe.of(Options(trim=trim), source))

    assert kept == (
        Chapter(0, 2 * SECOND, "cut"),
        Chapter(2 * SECOND, 4 * SECOND, "cut, too"),
    )


def test_a_tag_has_these_very_bytes() -> None:
    tag = id3_tag(
        {"title": "é", "comment": "c", "nonsense": "x"},
        [Mark(0, 1_500, "one")],
        Image("image/png", b"\x89PNG" + b"\xff\xfb" * 100),
    )

    assert tag[:10] == b"ID3\x04\0\0" + bytes((0, 0, 2, 66))
    assert len(tag) == 10 + 2 * 128 + 66
    assert tag[10:23] == b"TIT2\0\0\0\x03\0\0\x03\xc3\xa9"
    assert b"COMM\0\0\0\x06\0\0\x03XXX\0c" in tag
    assert b"CTOC\0\0\0\x0b\0\0toc\0\x03\x01chp0\0" in tag
    times = struct.pack(">4I", 0, 1_500, 0xFFFFFFFF, 0xFFFFFFFF)
    assert b"chp0\0" + times + b"TIT2\0\0\0\x04\0\0\x03one" in tag
    assert b"APIC" in tag
    assert b"\0image/png\0\x03\0\x89PNG" in tag


def test_nothing_to_say_is_no_tag() -> None:
    assert id3_tag({"nonsense": "x"}, [], None) == b""


def test_notes_cannot_break_out_of_their_line() -> None:
    written = notes({"title": "a\n[CHAPTER]\n=;#\\", "track_number": "1"}, [])

    assert written == (";FFMETADATA1\ntitle=a\\\n[CHAPTER]\\\n\\=\\;\\#\\\\\ntrack=1\n")


async def test_a_source_whose_name_looks_like_an_option_is_nothing_special(
    labelled: Path, convert: Convert, tmp_path: Path
) -> None:
    odd = Path(shutil.copy(labelled, tmp_path / "-i.mp3"))

    await succeeds(convert(odd))
