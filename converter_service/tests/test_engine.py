"""Real media through the real engine, from stored video to recorded outcome."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import pytest
from converter_fakes import InMemoryAudioStore, RecordedProgress
from converter_jobs import Convert, fails, made_file, succeeds
from converter_media import SECONDS, MediaMaker

from converter_service.domain import (
    SILENCE_DBFS,
    FailureReason,
    Options,
)
from converter_service.engine.lame_tag import LameTag, read_lame_tag

MPEG4 = ("-c:v", "mpeg4")
FASTSTART = ("-movflags", "+faststart")
SOURCES = {
    "fast.mp4": (*MPEG4, "-c:a", "aac", *FASTSTART),
    "index_at_end.mp4": (*MPEG4, "-c:a", "aac"),
    "fragmented.mp4": (*MPEG4, "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"),
    "no_edit_list.mp4": (*MPEG4, "-c:a", "aac", "-use_editlist", "0"),
    "opus.mp4": (*MPEG4, "-c:a", "libopus"),
    "pcm.mov": (*MPEG4, "-c:a", "pcm_s16le"),
    "flac.mkv": (*MPEG4, "-c:a", "flac"),
    "streamed.mkv": (*MPEG4, "-c:a", "libmp3lame", "-f", "matroska", "-live", "1"),
    "vorbis.webm": ("-c:v", "libvpx", "-c:a", "libvorbis"),
    "mp3.avi": (*MPEG4, "-c:a", "libmp3lame"),
    "mp2.ts": ("-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"),
    "mp2.mpg": ("-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"),
    "mp3.flv": ("-c:v", "flv", "-c:a", "libmp3lame"),
    "wma.wmv": ("-c:v", "wmv2", "-c:a", "wmav2"),
}
SOUNDS = {
    "vorbis.ogg": ("-c:a", "libvorbis"),
    "tagged.mp3": (),
    "untagged.mp3": ("-write_xing", "0"),
    "pcm.wav": (),
    "tone.flac": (),
    "adts.aac": ("-f", "adts"),
}
# AAC and WMA in streams without edit lists begin and end with up to two frames of padding.
PADDING_SECONDS = 0.13


def count_frames(mp3: Path) -> int:
    with av.open(str(mp3)) as container:
        return sum(1 for packet in container.demux() if packet.size)


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


@pytest.mark.parametrize("name", SOURCES)
async def test_every_usual_kind_of_video_becomes_an_mp3_of_its_length(
    name: str, media: MediaMaker, convert: Convert
) -> None:
    video = media.make(name, *SOURCES[name])

    outcome = await succeeds(convert(video))

    assert outcome.seconds == pytest.approx(SECONDS, abs=PADDING_SECONDS)
    assert -25 < outcome.peak_dbfs < -5


@pytest.mark.parametrize("name", SOUNDS)
async def test_sound_files_are_as_good_as_videos(
    name: str, media: MediaMaker, convert: Convert
) -> None:
    sound = media.make(name, *SOUNDS[name], video=False)

    outcome = await succeeds(convert(sound))

    assert outcome.seconds == pytest.approx(SECONDS, abs=PADDING_SECONDS)


async def test_the_mp3_plays_exactly_as_many_samples_as_the_source(
    media: MediaMaker, convert: Convert, audio: InMemoryAudioStore, tmp_path: Path
) -> None:
    outcome = await succeeds(convert(media.make("fast.mp4", *SOURCES["fast.mp4"])))

    mp3 = made_file(audio, tmp_path)
    tag = read_lame_tag(mp3)
    assert tag.samples == SECONDS * 44_100 == outcome.seconds * outcome.sample_rate_hz
    # LAME's encoder delay, before the 529 samples that every decoder adds.
    assert tag == LameTag(44_100, 1, 1152, tag.frames, 576, tag.padding_samples)
    assert tag.frames * 1152 - 576 - tag.padding_samples == SECONDS * 44_100
    assert count_frames(mp3) == tag.frames


async def test_the_outcome_describes_the_stored_bytes(
    media: MediaMaker, convert: Convert, audio: InMemoryAudioStore
) -> None:
    outcome = await succeeds(convert(media.make("fast.mp4", *SOURCES["fast.mp4"])))

    content = audio.files[outcome.stored.audio_id]
    assert outcome.stored.size_bytes == len(content)
    assert outcome.stored.sha256 == hashlib.sha256(content).hexdigest()
    assert outcome.engine.startswith("ffmpeg ")


@pytest.mark.parametrize("bitrate_kbps", [64, 192, 320])
async def test_a_bit_rate_that_was_asked_for_is_kept(
    bitrate_kbps: int, media: MediaMaker, convert: Convert
) -> None:
    video = media.make("fast.mp4", *SOURCES["fast.mp4"])

    outcome = await succeeds(convert(video, Options(bitrate_kbps=bitrate_kbps)))

    kilobits = outcome.stored.size_bytes * 8 / 1000
    assert kilobits == pytest.approx(bitrate_kbps * SECONDS, rel=0.05)


@pytest.mark.parametrize(
    ("rate", "channels", "made_rate", "made_channels"),
    [(8_000, 1, 8_000, 1), (22_050, 2, 22_050, 2), (96_000, 2, 48_000, 2), (48_000, 6, 48_000, 2)],
)
async def test_rates_and_channels_that_mp3_lacks_become_the_nearest(
    rate: int,
    channels: int,
    made_rate: int,
    made_channels: int,
    media: MediaMaker,
    convert: Convert,
) -> None:
    sound = media.make(f"{rate}-{channels}.wav", "-ac", str(channels), rate=rate, video=False)

    outcome = await succeeds(convert(sound))

    assert (outcome.sample_rate_hz, outcome.channels) == (made_rate, made_channels)
    assert outcome.seconds == pytest.approx(SECONDS, abs=0.03)


async def test_silence_is_fine(media: MediaMaker, convert: Convert) -> None:
    video = media.make("silent.mp4", *MPEG4, "-c:a", "aac", audio="anullsrc")

    outcome = await succeeds(convert(video))

    assert outcome.peak_dbfs == SILENCE_DBFS


async def test_audio_shorter_than_its_video_is_whole(media: MediaMaker, convert: Convert) -> None:
    video = media.make("short_audio.mp4", *SOURCES["fast.mp4"], seconds=1)

    outcome = await succeeds(convert(video))

    assert outcome.seconds == pytest.approx(1)


async def test_progress_rises_to_the_end(
    media: MediaMaker, convert: Convert, progress: RecordedProgress
) -> None:
    await succeeds(convert(media.make("fast.mp4", *SOURCES["fast.mp4"])))

    assert progress.shares == sorted(progress.shares)
    assert progress.shares[-1] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    "name",
    [
        "fast.mp4",
        "fragmented.mp4",
        "flac.mkv",
        "vorbis.webm",
        "mp3.avi",
        "mp3.flv",
        "wma.wmv",
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.97])
async def test_a_video_that_was_cut_off_is_truncated(
    name: str, share: float, media: MediaMaker, convert: Convert
) -> None:
    video = media.cut(media.make(name, *SOURCES[name]), share)

    assert await fails(convert(video)) == FailureReason.TRUNCATED_VIDEO


@pytest.mark.parametrize("name", ["tagged.mp3", "pcm.wav", "tone.flac", "vorbis.ogg"])
async def test_a_sound_file_that_was_cut_off_is_truncated(
    name: str, media: MediaMaker, convert: Convert
) -> None:
    sound = media.cut(media.make(name, *SOUNDS[name], video=False), 0.9)

    assert await fails(convert(sound)) == FailureReason.TRUNCATED_VIDEO


async def test_a_video_cut_off_after_its_audio_is_whole(
    media: MediaMaker, convert: Convert
) -> None:
    whole = media.make("short_audio.mp4", *SOURCES["fast.mp4"], seconds=1)

    outcome = await succeeds(convert(media.cut(whole, 0.8)))

    assert outcome.seconds == pytest.approx(1)


async def test_damage_in_the_middle_is_truncation_too(media: MediaMaker, convert: Convert) -> None:
    content = bytearray(media.make("fast.mp4", *SOURCES["fast.mp4"]).read_bytes())
    middle = len(content) // 2
    content[middle - len(content) // 4 : middle + len(content) // 4] = b"\xa5" * (
        len(content) // 4 * 2
    )

    reason = await fails(convert(media.write("damaged.mp4", bytes(content))))

    assert reason == FailureReason.TRUNCATED_VIDEO


async def test_an_index_that_was_cut_off_makes_a_video_unreadable(
    media: MediaMaker, convert: Convert
) -> None:
    video = media.cut(media.make("index_at_end.mp4", *SOURCES["index_at_end.mp4"]), 0.9)

    assert await fails(convert(video)) == FailureReason.UNREADABLE_VIDEO


@pytest.mark.parametrize(
    "content",
    [b"", b"Dear diary,\n" * 1000, bytes(range(256)) * 64, b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"],
    ids=["empty", "text", "bytes", "playlist"],
)
async def test_what_is_no_video_is_unreadable(
    content: bytes, media: MediaMaker, convert: Convert
) -> None:
    video = media.write(f"no-video-{len(content)}.mp4", content)

    assert await fails(convert(video)) == FailureReason.UNREADABLE_VIDEO


async def test_a_playlist_opens_no_other_file(media: MediaMaker, convert: Convert) -> None:
    secret = media.make("tagged.mp3", video=False)
    playlist = f"ffconcat version 1.0\nfile '{secret.name}'\nfile '{secret}'\n"

    reason = await fails(convert(media.write("playlist.mp4", playlist.encode())))

    assert reason == FailureReason.UNREADABLE_VIDEO


async def test_a_video_without_audio_says_so(media: MediaMaker, convert: Convert) -> None:
    video = media.make("mute.mp4", *MPEG4, "-an")

    assert await fails(convert(video)) == FailureReason.NO_AUDIO


async def test_nothing_is_left_in_the_scratch_directory(
    media: MediaMaker, convert: Convert, scratch: Path
) -> None:
    await succeeds(convert(media.make("fast.mp4", *SOURCES["fast.mp4"])))
    await fails(convert(media.write("empty.mp4", b"")))

    assert names_in(scratch) == []
