"""An MP3 that fits already is copied: not a bit of its sound changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from converter_fakes import InMemoryAudioStore
from converter_jobs import Convert, made_file, succeeds
from converter_media import SECONDS, MediaMaker
from converter_sounds import decoded

from converter_service.domain import Copying, Format, Loudness, Options, Preset, Trim
from converter_service.engine.lame_tag import read_lame_tag

ANEW = Options(copying=Copying.NEVER)
SOURCES = {
    "cbr.mp3": ("-b:a", "128k"),
    "vbr.mp3": ("-q:a", "4"),
    "untagged.mp3": ("-write_xing", "0"),
    "low.mp3": ("-ar", "16000", "-b:a", "64k"),
    "mp3.avi": ("-c:v", "mpeg4", "-c:a", "libmp3lame"),
    "mp3.flv": ("-c:v", "flv", "-c:a", "libmp3lame"),
}


@pytest.fixture
def cbr(media: MediaMaker) -> Path:
    return media.make("cbr.mp3", *SOURCES["cbr.mp3"], video=False)


@pytest.mark.parametrize("name", SOURCES)
async def test_a_copy_decodes_to_what_its_source_decodes_to(
    name: str, media: MediaMaker, convert: Convert, audio: InMemoryAudioStore, tmp_path: Path
) -> None:
    source = media.make(name, *SOURCES[name], video=not name.endswith("mp3"))

    outcome = await succeeds(convert(source))

    made = made_file(audio, tmp_path)
    heard = await asyncio.to_thread(decoded, media.ffmpeg, made)
    assert outcome.is_copy
    assert heard == await asyncio.to_thread(decoded, media.ffmpeg, source)
    assert read_lame_tag(made).samples == len(heard) // 2


async def test_a_copy_of_a_copy_is_the_same_file(
    cbr: Path, convert: Convert, audio: InMemoryAudioStore, tmp_path: Path
) -> None:
    await succeeds(convert(cbr))
    first = made_file(audio, tmp_path)
    (content,) = audio.files.values()

    await succeeds(convert(first))

    assert set(audio.files.values()) == {content}


@pytest.mark.parametrize(
    "options",
    [
        Options(preset=Preset.BEST),
        Options(preset=Preset.SMALL),
        Options(bitrate_kbps=128),
        Options(sample_rate_hz=44_100, channels=1),
    ],
)
async def test_what_fits_is_copied(options: Options, cbr: Path, convert: Convert) -> None:
    assert (await succeeds(convert(cbr, options))).is_copy


@pytest.mark.parametrize(
    "options",
    [
        ANEW,
        Options(bitrate_kbps=64),
        Options(vbr_quality=2),
        Options(sample_rate_hz=48_000),
        Options(channels=2),
        Options(trim=Trim(end_ns=10**9)),
        Options(loudness=Loudness()),
        Options(format=Format.FLAC),
    ],
)
async def test_what_does_not_fit_is_encoded(options: Options, cbr: Path, convert: Convert) -> None:
    assert not (await succeeds(convert(cbr, options))).is_copy


async def test_what_is_larger_than_the_preset_is_encoded(
    media: MediaMaker, convert: Convert
) -> None:
    large = media.make("large.mp3", "-b:a", "320k", video=False)

    assert not (await succeeds(convert(large))).is_copy
    assert (await succeeds(convert(large, Options(preset=Preset.BEST)))).is_copy


async def test_variable_is_not_constant(media: MediaMaker, convert: Convert) -> None:
    variable = media.make("vbr.mp3", *SOURCES["vbr.mp3"], video=False)

    assert not (await succeeds(convert(variable, Options(bitrate_kbps=64)))).is_copy


async def test_frames_of_two_rates_are_encoded(media: MediaMaker, convert: Convert) -> None:
    one = media.make("one.mp3", "-write_xing", "0", "-id3v2_version", "0", video=False)
    other = media.make(
        "other.mp3", "-write_xing", "0", "-id3v2_version", "0", rate=48_000, video=False
    )
    mixed = media.write("mixed.mp3", one.read_bytes() + other.read_bytes())

    outcome = await succeeds(convert(mixed))

    assert not outcome.is_copy
    assert outcome.seconds == pytest.approx(2 * SECONDS, abs=0.2)


async def test_what_is_damaged_is_encoded(media: MediaMaker, convert: Convert) -> None:
    whole = media.make("noisy.mp3", "-b:a", "192k", audio="anoisesrc=a=0.5", video=False)
    content = bytearray(await asyncio.to_thread(whole.read_bytes))
    frame = content.index(b"\xff\xfb", 30_000)
    content[frame + 4 : frame + 21] = b"\xff" * 17  # side information that no decoder takes
    damaged = media.write("damaged.mp3", bytes(content))

    outcome = await succeeds(convert(damaged))

    assert not outcome.is_copy
    assert outcome.seconds == pytest.approx(SECONDS, abs=0.2)


async def test_a_tag_that_players_do_not_read_says_nothing_to_a_copy(
    cbr: Path, media: MediaMaker, convert: Convert, audio: InMemoryAudioStore, tmp_path: Path
) -> None:
    content = await asyncio.to_thread(cbr.read_bytes)
    name = content[: content.index(b"Info") + 200].rindex(b"Lavc")
    nameless = content[:name] + b"Else" + content[name + 4 :]
    source = media.write("nameless.mp3", nameless)

    outcome = await succeeds(convert(source))

    heard = await asyncio.to_thread(decoded, media.ffmpeg, made_file(audio, tmp_path))
    assert outcome.is_copy
    assert heard == await asyncio.to_thread(decoded, media.ffmpeg, source)
