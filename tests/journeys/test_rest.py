"""The main job as curl does it, through Envoy."""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from media import audio_seconds, make, make_silent_film, make_video
from rest_client import PASSWORD, Json, RestClient

from tonearm_local.stack import Stack

MAIL_SECONDS = 10.0


NewCaller = Callable[[], RestClient]


def mail_to(stack: Stack, address: str) -> email.message.EmailMessage:
    """Wait for the one mail to an address."""
    deadline = time.monotonic() + MAIL_SECONDS
    while time.monotonic() < deadline:
        for file in stack.mailbox.glob("*.eml"):
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            assert isinstance(mail, email.message.EmailMessage)
            if mail["To"] == address:
                return mail
        time.sleep(0.05)
    raise AssertionError(f"no mail within {MAIL_SECONDS} s")


def text_of(mail: email.message.EmailMessage) -> str:
    """Read the plain text of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def delivered(caller: RestClient) -> Json:
    """Wait until the caller's one delivery has arrived."""
    deadline = time.monotonic() + MAIL_SECONDS
    own: Json = {}
    while own.get("state") != "DELIVERED" and time.monotonic() < deadline:
        time.sleep(0.05)
        (own,) = caller.http.get("/v1/deliveries").json()["deliveries"]
    return own


def test_the_waveform_has_the_length_and_the_peak_of_the_mp3(
    caller: RestClient, video: Path
) -> None:
    conversion = caller.converted(video)
    path = f"/v1/conversions/{conversion['id']}/waveform"

    answer, picture = caller.http.get(path), caller.http.get(path, params={"format": "png"})

    waveform = answer.json()
    seconds = waveform["length"] * waveform["samples_per_pixel"] / waveform["sample_rate"]
    audio = conversion["audio"]
    assert answer.headers["content-type"] == "application/json"
    assert waveform["length"] * 2 == len(waveform["data"])
    assert seconds == pytest.approx(float(audio["duration"].removesuffix("s")), abs=0.05)
    assert waveform["peak_dbfs"] == pytest.approx(audio["peak_dbfs"], abs=0.01)
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


def test_a_video_becomes_an_mp3_of_the_same_length(
    caller: RestClient, video: Path, tmp_path: Path
) -> None:
    answer = caller.upload(video)
    conversion = answer.json()["conversion"]

    ended = caller.ended(conversion["id"])
    download = caller.download(conversion["id"])

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/conversions/{conversion['id']}"
    assert conversion["video"]["sha256"] == hashlib.sha256(video.read_bytes()).hexdigest()
    assert ended["state"] == "SUCCEEDED", ended
    assert ended["audio"]["sha256"] == hashlib.sha256(download.content).hexdigest()
    assert download.headers["content-type"] == "audio/mpeg"
    assert download.headers["content-length"] == ended["audio"]["size_bytes"]
    assert 'filename="holiday.mp3"' in download.headers["content-disposition"]
    mp3 = tmp_path / "a.mp3"
    mp3.write_bytes(download.content)
    assert audio_seconds(mp3) == pytest.approx(audio_seconds(video), abs=0.03)
    assert -20 < ended["audio"]["peak_dbfs"] < 0


def test_head_tells_the_same_without_the_bytes(caller: RestClient, video: Path) -> None:
    ended = caller.converted(video)

    head = caller.http.head(f"/v1/conversions/{ended['id']}/audio")

    assert head.status_code == 200
    assert head.headers["content-length"] == ended["audio"]["size_bytes"]
    assert head.content == b""


def test_an_accepted_job_starts_within_a_second(caller: RestClient, video: Path) -> None:
    accepted = caller.upload(video).json()["conversion"]["id"]
    begun = time.monotonic()

    states = []
    for seen in caller.watch(accepted):
        states.append(seen["state"])
        if seen["state"] != "QUEUED":
            break

    # The reminder that would come to the help of a lost request takes ten seconds.
    assert time.monotonic() - begun < 5
    assert states[-1] in ("RUNNING", "SUCCEEDED")


def test_a_watcher_sees_progress_that_only_grows(caller: RestClient, tmp_path: Path) -> None:
    long = make(
        tmp_path / "long.mp4",
        "-f",
        "lavfi",
        "-i",
        "sine=300:sample_rate=44100",
        "-t",
        "400",
        "-c:a",
        "aac",
    )
    conversion = caller.upload(long).json()["conversion"]["id"]

    seen = list(caller.watch(conversion))

    shares = [each["progress"] for each in seen]
    assert seen[-1]["state"] == "SUCCEEDED"
    assert shares == sorted(shares)
    assert any(0 < share < 1 for share in shares), shares


def test_the_mail_about_a_success_links_to_the_page(
    caller: RestClient, stack: Stack, video: Path
) -> None:
    account = caller.register()
    caller.login(account)
    ended = caller.converted(video)

    mail = mail_to(stack, account.email)

    (link,) = set(re.findall(r"http://\S+", text_of(mail)))
    assert "holiday.mp4" in mail["Subject"]
    assert link == f"{stack.url}/#/conversions/{ended['id']}"
    assert "<title>" in caller.http.get(link).text


def test_the_mail_about_a_failure_says_why(
    caller: RestClient, stack: Stack, tmp_path: Path
) -> None:
    account = caller.register()
    caller.login(account)
    ended = caller.converted(make_silent_film(tmp_path / "silent film.mp4"))

    mail = mail_to(stack, account.email)

    assert ended["error"]["message"] in text_of(mail)


def test_conversions_are_listed_a_page_at_a_time(caller: RestClient, video: Path) -> None:
    made = [caller.upload(video).json()["conversion"]["id"] for _ in range(3)]

    one = caller.http.get("/v1/conversions", params={"page_size": 2}).json()
    two = caller.http.get("/v1/conversions", params={"page_token": one["next_page_token"]}).json()

    listed = [each["id"] for each in (*one["conversions"], *two["conversions"])]
    assert listed == made[::-1]
    assert two["next_page_token"] == ""


def test_a_constant_bit_rate_is_kept(caller: RestClient, video: Path) -> None:
    ended = caller.converted(video, bitrate_kbps=128)

    rate = int(ended["audio"]["size_bytes"]) * 8 / 5.0 / 1000
    assert rate == pytest.approx(128, rel=0.05)


def test_a_repeated_request_makes_one_conversion_and_one_mail(
    caller: RestClient, stack: Stack, video: Path
) -> None:
    account = caller.register()
    caller.login(account)
    request_id = "3b1e2f60-8f6e-4b6e-9d0a-1c2d3e4f5a6b"

    first = caller.upload(video, request_id=request_id).json()["conversion"]["id"]
    again = caller.upload(video, request_id=request_id).json()["conversion"]["id"]
    caller.ended(first)
    mail_to(stack, account.email)

    assert again == first
    assert len(caller.http.get("/v1/conversions").json()["conversions"]) == 1
    mails = [each.read_text() for each in stack.mailbox.glob("*.eml")]
    assert sum(account.email in each for each in mails) == 1


def test_deliveries_are_listed_for_their_owner_only(
    new_caller: NewCaller, caller: RestClient, stack: Stack, video: Path
) -> None:
    account = caller.register()
    caller.login(account)
    ended = caller.converted(video)
    mail_to(stack, account.email)
    stranger = new_caller()
    stranger.login(stranger.register())

    own = delivered(caller)

    assert (own["conversion_id"], own["state"], own["channel"]) == (
        ended["id"],
        "DELIVERED",
        "MAIL",
    )
    assert stranger.http.get("/v1/deliveries").json()["deliveries"] == []


@pytest.mark.parametrize(
    "name", ['quo"te.mp4', "new\nline.mp4", "sl/ash\\back.mp4", "été 🎬.mp4", "a" * 500 + ".mp4"]
)
def test_odd_file_names_do_no_harm(caller: RestClient, tmp_path: Path, name: str) -> None:
    video = make_video(tmp_path / "odd.mp4", seconds=1)

    answer = caller.http.post(
        "/v1/conversions", params={"filename": name}, content=video.read_bytes()
    )
    ended = caller.ended(answer.json()["conversion"]["id"])
    download = caller.download(ended["id"])

    assert ended["state"] == "SUCCEEDED"
    assert not set("\n/\\") & set(ended["video"]["filename"])
    assert download.headers["content-disposition"].startswith('attachment; filename="')
    assert len(download.content) == int(ended["audio"]["size_bytes"])


def test_logging_in_works_with_json_too(new_caller: NewCaller) -> None:
    caller = new_caller()
    account = caller.register()

    answer = caller.http.post(
        "/v1/login", json={"email": account.email.upper(), "password": PASSWORD}
    )

    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 600
    assert answer.headers["cache-control"] == "no-store"
