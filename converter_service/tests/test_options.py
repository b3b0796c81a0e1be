"""What was asked for is what comes out: real media through the real engine."""

from __future__ import annotations

import array
import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from converter_fakes import InMemoryAudioStore
from converter_jobs import Convert, fails, made_file, succeeds
from converter_media import SECONDS, MediaMaker

from converter_service.domain import (
    FailureReason,
    Format,
    Options,
    Preset,
    TrackChoice,
    Trim,
)

RATE = 44_100
LONG = 45
"""Seconds that take several chunks."""
CODECS = {
    Format.MP3: "mp3float",
    Format.AAC: "aac",
    Format.OPUS: "opus",
    Format.FLAC: "flac",
    Format.WAV: "pcm_s16le",
}


def samples(ffmpeg: str, path: Path) -> array.array[int]:
    """Decode to 16-bit samples."""
    decoded = subprocess.run(
        [ffmpeg, "-nostdin", "-v", "error", "-i", str(path), "-f", "s16le", "-"],
        check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    return array.array("h", decoded.stdout)


@pytest.fixture
def noise(media: MediaMaker) -> Path:
    """Sound without two equal seconds, so that a cut at the wrong sample is found."""
    target = media.directory / "noise.wav"
    if not target.exists():
        media.run("-f", "lavfi", "-i", f"anoisesrc=r={RATE}:d={SECONDS}:a=0.5:s=1", str(target))
    return target


@pytest.fixture
def tongues(media: MediaMaker) -> Path:
    """A video with three audio tracks of different pitch and length."""
    target = media.directory / "tongues.mkv"
    if not target.exists():
        tones = [(220, 3), (440, 2), (880, 1)]
        inputs = [
            word for hertz, seconds in tones
            for word in ("-f", "lavfi", "-i", f"sine={hertz}:sample_rate={RATE}:duration={seconds}")
        ]  # fmt: skip
        marks = [
            word for each, language in enumerate(["eng", "ger", "fra"])
            for word in ("-map", str(each), f"-metadata:s:a:{each}", f"language={language}")
        ]  # fmt: skip
        media.run(*inputs, *marks, "-c:a", "flac", str(target))
    return target


@pytest.mark.parametrize("made", Format)
async def test_each_format_holds_every_sample(
    made: Format, media: MediaMaker, convert: Convert, audio: InMemoryAudioStore, tmp_path: Path
) -> None:
    video = media.make("at_48k.mp4", "-c:v", "mpeg4", "-c:a", "aac", rate=48_000)

    outcome = await succeeds(convert(video, Options(format=made)))

    file = made_file(audio, tmp_path)
    with av.open(str(file)) as container:
        assert container.streams.audio[0].codec_context.name == CODECS[made]
    assert outcome.sample_rate_hz == 48_000
    assert len(samples(media.ffmpeg, file)) == SECONDS * 48_000 == outcome.seconds * 48_000


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
@pytest.mark.parametrize("made", [Format.AAC, Format.OPUS, Format.FLAC, Format.WAV])
async def test_other_rates_become_what_the_format_has(
    made: Format, rate: int, media: MediaMaker, convert: Convert
) -> None:
    sound = media.make(f"mono-{rate}.wav", rate=rate, video=False)

    outcome = await succeeds(convert(sound, Options(format=made)))

    assert outcome.sample_rate_hz == (48_000 if made is Format.OPUS else rate)
    assert outcome.seconds == pytest.approx(SECONDS, abs=0.01)


async def test_lossless_is_lossless(
    noise: Path, media: MediaMaker, convert: Convert, audio: InMemoryAudioStore, tmp_path: Path
) -> None:
    await succeeds(convert(noise, Options(format=Format.FLAC)))

    made = made_file(audio, tmp_path)
    assert samples(media.ffmpeg, made) == samples(media.ffmpeg, noise)


async def test_flac_keeps_24_bits(
    media: MediaMaker, convert: Convert, audio: InMemoryAudioStore, tmp_path: Path
) -> None:
    sound = media.make("24.wav", "-c:a", "pcm_s24le", video=False)

    await succeeds(convert(sound, Options(format=Format.FLAC)))

    with av.open(str(made_file(audio, tmp_path))) as container:
        assert container.streams.audio[0].codec_context.format.name == "s32"


async def test_an_m4a_has_its_index_first(
    media: MediaMaker, convert: Convert, audio: InMemoryAudioStore
) -> None:
    await succeeds(convert(media.make("tone.wav", video=False), Options(format=Format.AAC)))

    (content,) = audio.files.values()
    assert 0 < content.find(b"moov") < content.find(b"mdat")


@dataclass(frozen=True, slots=True)
class Part:
    """A trim, and the samples that it keeps."""

    trim: Trim
    first: int
    end: int


PARTS = {
    "start": Part(Trim(start_sample=1001), 1001, SECONDS * RATE),
    "end": Part(Trim(end_sample=50_001), 0, 50_001),
    "both": Part(Trim(start_sample=7, end_sample=44_107), 7, 44_107),
    "times": Part(Trim(start_ns=1_000_000_000, end_ns=2_000_000_001), RATE, 2 * RATE),
    "one sample": Part(Trim(start_ns=22_676), 1, SECONDS * RATE),
    "beyond the end": Part(Trim(end_ns=3_600_000_000_000), 0, SECONDS * RATE),
}


@pytest.mark.parametrize("made", [Format.MP3, Format.AAC, Format.FLAC, Format.WAV])
@pytest.mark.parametrize("name", PARTS)
async def test_a_part_has_exactly_its_samples(
    made: Format, name: str, noise: Path, convert: Convert
) -> None:
    part = PARTS[name]

    outcome = await succeeds(convert(noise, Options(format=made, trim=part.trim)))

    assert round(outcome.seconds * outcome.sample_rate_hz) == part.end - part.first


@pytest.mark.parametrize("name", PARTS)
async def test_a_part_is_the_part_that_was_meant(
    name: str,
    noise: Path,
    media: MediaMaker,
    convert: Convert,
    audio: InMemoryAudioStore,
    tmp_path: Path,
) -> None:
    part = PARTS[name]

    await succeeds(convert(noise, Options(format=Format.FLAC, trim=part.trim)))

    heard = samples(media.ffmpeg, made_file(audio, tmp_path))
    assert heard == samples(media.ffmpeg, noise)[part.first : part.end]


async def test_a_part_of_opus_has_its_length_in_its_own_samples(
    noise: Path, convert: Convert
) -> None:
    trim = Trim(start_sample=7, end_sample=44_107)

    outcome = await succeeds(convert(noise, Options(format=Format.OPUS, trim=trim)))

    assert outcome.seconds * 48_000 == 48_000


@pytest.mark.parametrize("trim", [Trim(start_sample=SECONDS * RATE), Trim(start_ns=4 * 10**9)])
async def test_a_part_that_begins_after_the_end_is_refused(
    trim: Trim, noise: Path, convert: Convert
) -> None:
    assert await fails(convert(noise, Options(trim=trim))) is FailureReason.NOTHING_LEFT


async def test_a_part_of_a_cut_off_video_is_no_excuse(media: MediaMaker, convert: Convert) -> None:
    video = media.make("at_48k.mp4", "-c:v", "mpeg4", "-c:a", "aac", rate=48_000)
    whole = media.make("for_cutting.mp4", "-c:v", "mpeg4", "-c:a", "aac", "-movflags", "+faststart")

    cut = await fails(convert(media.cut(whole, 0.9), Options(trim=Trim(end_ns=10**9))))
    part = await succeeds(convert(video, Options(trim=Trim(end_ns=10**9))))

    assert cut is FailureReason.TRUNCATED_VIDEO
    assert part.seconds == 1.0


@pytest.mark.parametrize(
    ("choice", "index", "seconds"),
    [
        (TrackChoice(), 0, 3),
        (TrackChoice(index=1), 1, 2),
        (TrackChoice(language="fra"), 2, 1),
        (TrackChoice(language="FRE"), 2, 1),
        (TrackChoice(language="deu"), 1, 2),
    ],
)
@pytest.mark.parametrize("made", [Format.MP3, Format.WAV])
async def test_a_track_is_chosen_by_index_or_language(
    made: Format, choice: TrackChoice, index: int, seconds: int, tongues: Path, convert: Convert
) -> None:
    outcome = await succeeds(convert(tongues, Options(format=made, track=choice)))

    assert outcome.seconds == seconds
    assert outcome.source is not None
    assert outcome.source.chosen == index


@pytest.mark.parametrize("choice", [TrackChoice(index=3), TrackChoice(language="spa")])
async def test_a_track_that_is_not_there_is_refused(
    choice: TrackChoice, tongues: Path, convert: Convert
) -> None:
    assert await fails(convert(tongues, Options(track=choice))) is FailureReason.NO_SUCH_TRACK


@pytest.mark.parametrize(
    "options", [Options(), Options(bitrate_kbps=64), Options(preset=Preset.FAST)]
)
async def test_rate_and_channels_become_what_was_asked_for(
    options: Options, media: MediaMaker, convert: Convert
) -> None:
    sound = media.make("stereo.wav", "-ac", "2", rate=48_000, video=False)
    wanted = Options(
        preset=options.preset, bitrate_kbps=options.bitrate_kbps, sample_rate_hz=22_050, channels=1
    )

    outcome = await succeeds(convert(sound, wanted))

    assert (outcome.sample_rate_hz, outcome.channels) == (22_050, 1)
    assert outcome.seconds == pytest.approx(SECONDS, abs=0.001)


@pytest.mark.parametrize(("channels", "wanted"), [(1, 2), (2, 1), (6, 1), (6, 2)])
async def test_mixing_makes_a_tone_no_louder(
    channels: int, wanted: int, media: MediaMaker, convert: Convert
) -> None:
    sound = media.make(f"mix-{channels}.wav", "-ac", str(channels), video=False)
    plain = await succeeds(convert(sound, Options(format=Format.WAV)))

    outcome = await succeeds(convert(sound, Options(format=Format.WAV, channels=wanted)))

    assert outcome.channels == wanted
    assert outcome.peak_dbfs <= plain.peak_dbfs + 0.1


@pytest.mark.parametrize("made", [Format.MP3, Format.AAC, Format.OPUS])
async def test_presets_differ_in_size(
    made: Format, noise: Path, convert: Convert, audio: InMemoryAudioStore
) -> None:
    for preset in (Preset.SMALL, Preset.STANDARD, Preset.BEST):
        await succeeds(convert(noise, Options(format=made, preset=preset)))

    sizes = [len(content) for content in audio.files.values()]
    assert sizes == sorted(set(sizes))
