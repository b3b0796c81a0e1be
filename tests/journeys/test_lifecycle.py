"""What becomes of conversions that their owners call off, repeat or delete, and of what is kept."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from media import make_silent_film, make_video
from pymongo import MongoClient
from rest_client import Json, RestClient, reason_of

from tonearm_local.stack import Stack

CLEANED_SECONDS = 20.0
LONG_SECONDS = 1800

NewCaller = Callable[[], RestClient]
Documents = MongoClient[dict[str, Any]]


@pytest.fixture(scope="session")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a video whose conversion takes a while."""
    return make_video(tmp_path_factory.mktemp("long") / "long.mp4", seconds=LONG_SECONDS)


@pytest.fixture
def documents(stack: Stack) -> Iterator[Documents]:
    """Look into the store, and move times that a test cannot wait for."""
    client: Documents = MongoClient(stack.mongodb_uri, tz_aware=True)
    yield client
    client.close()


def within(seconds: float, check: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def running(caller: RestClient, conversion_id: str) -> None:
    """Wait until a worker is at it."""
    for seen in caller.watch(conversion_id):
        if seen["state"] != "QUEUED":
            assert seen["state"] == "RUNNING"
            return


def do(caller: RestClient, conversion_id: str, verb: str, **body: str) -> Json:
    """Do something to a conversion, and give it as it is then."""
    answer = caller.http.post(f"/v1/conversions/{conversion_id}:{verb}", json=body)
    assert answer.is_success, answer.text
    conversion: Json = answer.json()["conversion"]
    return conversion


def kept(documents: Documents, conversion_id: str, video_id: str, audio_id: str = "") -> set[str]:
    """Tell what is kept of the bytes of a conversion."""
    found = set()
    for bucket, file_id in (("videos", video_id), ("audio", audio_id)):
        store = documents[bucket]
        if store["fs.files"].find_one({"_id": file_id}, {"_id": 1}):
            found.add(f"{bucket}.files")
        if store["fs.chunks"].find_one({"files_id": file_id}, {"_id": 1}):
            found.add(f"{bucket}.chunks")
    # Also what workers stored that nobody took.
    if documents["audio"]["fs.files"].find_one({"metadata.conversion_id": conversion_id}):
        found.add("audio.files")
    return found


def video_of(documents: Documents, conversion_id: str) -> str:
    """Name the video of a conversion."""
    stored = documents["gateway"]["conversions"].find_one({"_id": conversion_id})
    assert stored is not None
    return str(stored["video"]["id"])


def test_a_queued_or_running_conversion_is_called_off_for_good(
    caller: RestClient, long_video: Path
) -> None:
    own = caller.upload(long_video).json()["conversion"]["id"]
    running(caller, own)

    cancelled = do(caller, own, "cancel")
    again = do(caller, own, "cancel")

    assert cancelled["state"] == "CANCELLED"
    assert again == caller.get(own) == cancelled
    assert reason_of(caller.download(own)) == "AUDIO_NOT_READY"


def test_the_worker_stops_and_leaves_no_audio(
    caller: RestClient, documents: Documents, long_video: Path
) -> None:
    own = caller.upload(long_video).json()["conversion"]["id"]
    running(caller, own)
    video = video_of(documents, own)

    do(caller, own, "cancel")

    stored = documents["gateway"]["conversions"]
    within(
        CLEANED_SECONDS,
        lambda: stored.count_documents({"_id": own, "confirmed": "CONVERTER"}) == 1,
        "the converter confirms",
    )
    assert kept(documents, own, video) == {"videos.files", "videos.chunks"}
    assert caller.get(own)["state"] == "CANCELLED"


def test_what_is_over_cannot_be_called_off(caller: RestClient, video: Path) -> None:
    ended = caller.converted(video)

    answer = caller.http.post(f"/v1/conversions/{ended['id']}:cancel")

    assert (answer.status_code, reason_of(answer)) == (400, "CONVERSION_OVER")
    assert caller.get(ended["id"]) == ended


def test_a_cancelled_conversion_is_retried_as_a_new_one(caller: RestClient, video: Path) -> None:
    first = caller.upload(video, bitrate_kbps=128).json()["conversion"]["id"]
    caller.http.post(f"/v1/conversions/{first}:cancel")
    ended = caller.ended(first)
    assert ended["state"] == "CANCELLED"

    answer = caller.http.post(f"/v1/conversions/{first}:retry", json={})
    made = answer.json()["conversion"]

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/conversions/{made['id']}"
    assert (made["retry_of"], made["options"]) == (first, ended["options"])
    assert caller.ended(made["id"])["state"] == "SUCCEEDED"
    assert len(caller.download(made["id"]).content) > 0
    assert caller.get(first) == ended


def test_a_failed_conversion_can_be_retried_and_fails_again(
    caller: RestClient, tmp_path: Path
) -> None:
    failed = caller.converted(make_silent_film(tmp_path / "silent.mp4"))
    request_id = str(uuid.uuid4())

    made = do(caller, failed["id"], "retry", request_id=request_id)
    again = do(caller, failed["id"], "retry", request_id=request_id)

    assert made["id"] == again["id"] != failed["id"]
    assert caller.ended(made["id"])["error"]["message"] == failed["error"]["message"]


def test_only_what_failed_or_was_cancelled_is_retried(caller: RestClient, video: Path) -> None:
    ended = caller.converted(video)

    answer = caller.http.post(f"/v1/conversions/{ended['id']}:retry")

    assert (answer.status_code, reason_of(answer)) == (400, "CONVERSION_NOT_RETRYABLE")


def test_a_request_id_belongs_to_one_request(
    caller: RestClient, video: Path, tmp_path: Path
) -> None:
    request_id = str(uuid.uuid4())
    first = caller.upload(video, request_id=request_id).json()["conversion"]["id"]
    failed = caller.converted(make_silent_film(tmp_path / "silent.mp4"))

    retried = caller.http.post(
        f"/v1/conversions/{failed['id']}:retry", json={"request_id": request_id}
    )
    other = caller.upload(video, request_id=request_id, bitrate_kbps=128)
    no_uuid = caller.http.post(f"/v1/conversions/{failed['id']}:retry", json={"request_id": "1"})

    assert (retried.status_code, reason_of(retried)) == (409, "REQUEST_ID_REUSED")
    assert (other.status_code, reason_of(other)) == (409, "REQUEST_ID_REUSED")
    assert (no_uuid.status_code, reason_of(no_uuid)) == (400, "INVALID_REQUEST_ID")
    assert caller.ended(first)["state"] == "SUCCEEDED"


def test_a_deleted_conversion_is_unknown_at_once_and_its_bytes_go(
    caller: RestClient, documents: Documents, video: Path
) -> None:
    ended = caller.converted(video)
    own = ended["id"]
    stored = documents["gateway"]["conversions"].find_one({"_id": own})
    assert stored is not None
    ids = (own, stored["video"]["id"], stored["audio"]["id"])
    assert len(kept(documents, *ids)) == 4

    deleted = caller.http.delete(f"/v1/conversions/{own}")
    again = caller.http.delete(f"/v1/conversions/{own}")

    assert (deleted.status_code, deleted.json()) == (again.status_code, again.json()) == (200, {})
    answers = [
        caller.http.get(f"/v1/conversions/{own}"),
        caller.download(own),
        caller.http.post(f"/v1/conversions/{own}:cancel"),
        caller.http.post(f"/v1/conversions/{own}:retry"),
    ]
    assert {(each.status_code, reason_of(each)) for each in answers} == {
        (404, "UNKNOWN_CONVERSION")
    }
    assert caller.http.get("/v1/conversions").json()["conversions"] == []
    within(CLEANED_SECONDS, lambda: not kept(documents, *ids), "no bytes are left")


def test_nothing_is_kept_anywhere_but_tombstones(
    caller: RestClient, documents: Documents, video: Path
) -> None:
    ended = caller.converted(video)

    caller.http.delete(f"/v1/conversions/{ended['id']}")

    stored = documents["gateway"]["conversions"]
    within(
        CLEANED_SECONDS,
        lambda: (
            stored.count_documents(
                {"_id": ended["id"], "confirmed": {"$all": ["CONVERTER", "NOTIFIER"]}}
            )
            == 1
        ),
        "both confirm",
    )
    left = str(stored.find_one({"_id": ended["id"]}))
    left += str(documents["converter"]["claims"].find_one({"_id": ended["id"]}))
    left += str(list(documents["notifier"]["deliveries"].find({"conversion_id": ended["id"]})))
    assert "holiday" not in left
    assert "@example.org" not in left


def test_a_running_conversion_can_be_deleted(
    caller: RestClient, documents: Documents, long_video: Path
) -> None:
    own = caller.upload(long_video).json()["conversion"]["id"]
    source = video_of(documents, own)
    running(caller, own)

    assert caller.http.delete(f"/v1/conversions/{own}").status_code == 200

    within(CLEANED_SECONDS, lambda: not kept(documents, own, source), "no bytes are left")


def test_a_deleted_conversions_request_id_is_remembered(caller: RestClient, video: Path) -> None:
    request_id = str(uuid.uuid4())
    own = caller.upload(video, request_id=request_id).json()["conversion"]["id"]
    caller.http.delete(f"/v1/conversions/{own}")

    again = caller.upload(video, request_id=request_id)
    other = caller.upload(video, request_id=request_id, bitrate_kbps=128)

    assert (again.status_code, reason_of(again)) == (400, "CONVERSION_DELETED")
    assert (other.status_code, reason_of(other)) == (409, "REQUEST_ID_REUSED")


def test_a_video_stays_while_another_conversion_needs_it(
    caller: RestClient, documents: Documents, tmp_path: Path
) -> None:
    failed = caller.converted(make_silent_film(tmp_path / "silent.mp4"))
    source = video_of(documents, failed["id"])
    made = caller.ended(do(caller, failed["id"], "retry")["id"])

    caller.http.delete(f"/v1/conversions/{failed['id']}")
    again = caller.ended(do(caller, made["id"], "retry")["id"])

    assert again["error"]["message"] == failed["error"]["message"]
    for each in (made, again):
        caller.http.delete(f"/v1/conversions/{each['id']}")
    within(
        CLEANED_SECONDS,
        lambda: not documents["videos"]["fs.chunks"].find_one({"files_id": source}),
        "the video goes with the last of them",
    )


def test_audio_that_has_expired_is_gone_and_says_so(
    caller: RestClient, documents: Documents, video: Path
) -> None:
    ended = caller.converted(video)
    expire(documents, ended["id"], "audio_expire_time")

    answer = caller.download(ended["id"])

    assert (answer.status_code, reason_of(answer)) == (410, "AUDIO_EXPIRED")
    assert caller.get(ended["id"])["state"] == "SUCCEEDED"


def test_a_video_that_has_expired_cannot_be_converted_again(
    caller: RestClient, documents: Documents, tmp_path: Path, video: Path
) -> None:
    failed = caller.converted(make_silent_film(tmp_path / "silent.mp4"))
    source = video_of(documents, failed["id"])
    kept_until = datetime.fromisoformat(failed["video_expire_time"])
    expire(documents, failed["id"], "video_expire_time")
    # Deleting something wakes the sweeper.
    caller.http.delete(f"/v1/conversions/{caller.converted(video)['id']}")
    within(
        CLEANED_SECONDS,
        lambda: not documents["videos"]["fs.chunks"].find_one({"files_id": source}),
        "the video goes",
    )

    answer = caller.http.post(f"/v1/conversions/{failed['id']}:retry")

    assert timedelta(hours=23) < kept_until - datetime.now(UTC) <= timedelta(hours=24)
    assert (answer.status_code, reason_of(answer)) == (400, "VIDEO_EXPIRED")
    assert caller.get(failed["id"])["state"] == "FAILED"


def test_nobody_else_can_do_any_of_it(
    caller: RestClient, new_caller: NewCaller, video: Path
) -> None:
    own = caller.converted(video)["id"]
    stranger = new_caller()
    stranger.login(stranger.register())

    answers = [
        stranger.http.post(f"/v1/conversions/{own}:cancel"),
        stranger.http.post(f"/v1/conversions/{own}:retry"),
        stranger.http.delete(f"/v1/conversions/{own}"),
    ]

    assert {(each.status_code, reason_of(each)) for each in answers} == {
        (404, "UNKNOWN_CONVERSION")
    }
    assert caller.get(own)["state"] == "SUCCEEDED"


def expire(documents: Documents, conversion_id: str, name: str) -> None:
    """Let the time until which something is kept be over."""
    passed = datetime.now(UTC) - timedelta(seconds=1)
    # The revision, too: else the news that is applied at this moment would put the old time back.
    documents["gateway"]["conversions"].update_one(
        {"_id": conversion_id}, {"$set": {name: passed}, "$inc": {"revision": 1}}
    )
