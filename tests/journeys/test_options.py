"""Options as curl gives them: what is asked for in the query is what is downloaded."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from media import audio_seconds, make
from rest_client import RestClient, reason_of


@pytest.fixture
def tongues(tmp_path: Path) -> Path:
    """A video with an English and a longer German track."""
    target = tmp_path / "two tongues.mkv"
    tones = ("-f", "lavfi", "-i", "sine=440:d=2", "-f", "lavfi", "-i", "sine=880:d=3")
    marks = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger")
    kept = ("-map", "0", "-map", "1", "-c:a", "aac", "-metadata", "title=Zungen")
    return make(target, *tones, *kept, *marks)


def test_the_best_is_larger_than_the_standard(caller: RestClient, video: Path) -> None:
    standard = caller.converted(video)

    best = caller.converted(video, preset="best")

    assert best["options"]["preset"] == "BEST"
    assert standard["options"]["preset"] == "STANDARD"
    assert int(best["audio"]["size_bytes"]) > int(standard["audio"]["size_bytes"])
    assert best["audio"]["duration"] == standard["audio"]["duration"]


def test_a_part_is_as_long_as_it_was_asked_for(caller: RestClient, video: Path) -> None:
    query: dict[str, str | int] = {"options.trim.start": "1.5s", "options.trim.end": "3.25s"}

    ended = caller.converted(video, **query)

    assert ended["state"] == "SUCCEEDED", ended
    assert ended["audio"]["duration"] == "1.750s"


def test_flac_is_downloaded_as_flac(caller: RestClient, video: Path, tmp_path: Path) -> None:
    ended = caller.converted(video, format="flac")
    download = caller.download(ended["id"])

    assert download.headers["content-type"] == "audio/flac"
    assert 'filename="holiday.flac"' in download.headers["content-disposition"]
    made = tmp_path / "made"
    made.write_bytes(download.content)
    with av.open(str(made)) as container:
        assert container.format.name == "flac"
    assert audio_seconds(made) == pytest.approx(audio_seconds(video), abs=0.03)


def test_a_track_is_chosen_by_its_language(caller: RestClient, tongues: Path) -> None:
    ended = caller.converted(tongues, **{"options.track.language": "deu"})

    source = ended["source"]
    assert ended["audio"]["duration"].startswith("3")
    assert source["container"] == "matroska"
    assert source["chosen_track"] == 1
    assert [each["language"] for each in source["audio_tracks"]] == ["eng", "ger"]
    assert source["tags"] == {"title": "Zungen"}


def test_a_track_that_is_not_there_is_said_to_be_missing(caller: RestClient, tongues: Path) -> None:
    ended = caller.converted(tongues, **{"options.track.index": 2})

    assert ended["state"] == "FAILED"
    assert ended["error"]["details"][0]["reason"] == "NO_SUCH_TRACK"


def test_a_retry_asks_for_the_same_again(caller: RestClient, tongues: Path) -> None:
    query: dict[str, str | int] = {"options.track.index": 2, "format": "opus"}
    failed = caller.converted(tongues, **query)

    again = caller.http.post(f"/v1/conversions/{failed['id']}:retry").json()["conversion"]

    assert again["options"] == failed["options"]
    assert again["options"]["format"] == "OPUS"
    assert again["options"]["track"]["index"] == 2


@pytest.mark.parametrize(
    ("query", "reason", "field"),
    [
        ({"preset": "best", "bitrate_kbps": 192}, "CONTRADICTORY_OPTIONS", "bitrate_kbps"),
        ({"options.vbr_quality": 10}, "INVALID_OPTION", "vbr_quality"),
        (
            {"options.trim.start": "2s", "options.trim.end": "1s"},
            "CONTRADICTORY_OPTIONS",
            "trim.end",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_by_its_field(
    caller: RestClient, video: Path, query: dict[str, str | int], reason: str, field: str
) -> None:
    answer = caller.upload(video, **query)

    (bad,) = (each for each in answer.json()["details"] if "BadRequest" in each["@type"])
    assert (answer.status_code, reason_of(answer)) == (400, reason)
    assert [each["field"] for each in bad["field_violations"]] == [field]
