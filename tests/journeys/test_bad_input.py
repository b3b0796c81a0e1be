"""Bad input gets a clear typed answer, and the stack works on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
from converter_forgeries import flac_of_silence
from media import make_silent_film, make_video
from rest_client import RestClient, reason_of

from tonearm.gateway.v1 import conversion_pb2, conversion_pb2_grpc
from tonearm_local.stack import Stack

UNKNOWN_ID = "0" * 32


@pytest.fixture(autouse=True)
def still_works(caller: RestClient, video: Path) -> Iterator[None]:
    """After every test here, an ordinary video is still converted."""
    yield
    assert caller.converted(video)["state"] == "SUCCEEDED"


NewCaller = Callable[[], RestClient]


def failure_of(conversion: dict[str, object]) -> str:
    """Read why a conversion failed."""
    assert conversion["state"] == "FAILED", conversion
    error = conversion["error"]
    assert isinstance(error, dict)
    assert error["message"].endswith(".")
    reason: str = error["details"][0]["reason"]
    return reason


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({}, "MISSING_TOKEN"),
        ({"authorization": "Bearer not-a-token"}, "INVALID_TOKEN"),
        ({"authorization": "Basic YTpi"}, "MISSING_TOKEN"),
    ],
)
def test_a_call_without_a_good_token_is_401(
    new_caller: NewCaller, header: dict[str, str], reason: str
) -> None:
    answer = new_caller().http.get("/v1/conversions", headers=header)

    assert (answer.status_code, reason_of(answer)) == (401, reason)


def test_another_persons_conversion_is_404_like_an_unknown_one(
    new_caller: NewCaller, caller: RestClient, video: Path
) -> None:
    own = caller.converted(video)["id"]
    stranger = new_caller()
    stranger.login(stranger.register())

    for path in ("{}", "{}/audio", "{}/waveform", "{}:watch"):
        elses = stranger.http.get(f"/v1/conversions/{path.format(own)}")
        unknown = stranger.http.get(f"/v1/conversions/{path.format(UNKNOWN_ID)}")

        assert elses.status_code == unknown.status_code == 404
        assert elses.json() == unknown.json()
        assert reason_of(elses) == "UNKNOWN_CONVERSION"


def test_a_query_parameter_is_no_way_around_the_path(
    new_caller: NewCaller, caller: RestClient, video: Path
) -> None:
    own = caller.converted(video)["id"]
    stranger = new_caller()
    stranger.login(stranger.register())

    answer = stranger.http.get(f"/v1/conversions/{UNKNOWN_ID}/audio", params={"conversion_id": own})

    assert answer.status_code in (400, 404)


def test_an_empty_body_is_refused(caller: RestClient) -> None:
    answer = caller.http.post("/v1/conversions", params={"filename": "a.mp4"}, content=b"")

    assert answer.status_code == 400
    assert reason_of(answer) in ("LENGTH_REQUIRED", "EMPTY_VIDEO")


def test_an_empty_file_is_refused(caller: RestClient, tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()

    answer = caller.upload(empty)

    assert answer.status_code == 400


def test_a_body_of_unknown_length_is_refused(caller: RestClient, video: Path) -> None:
    answer = caller.http.post(
        "/v1/conversions", params={"filename": "a.mp4"}, content=iter([video.read_bytes()])
    )

    assert (answer.status_code, reason_of(answer)) == (400, "LENGTH_REQUIRED")


def test_an_upload_that_is_cut_off_never_becomes_a_conversion(
    caller: RestClient, stack: Stack, video: Path
) -> None:
    body = video.read_bytes()
    place = urlsplit(stack.url)
    assert place.hostname
    head = (
        f"POST /v1/conversions?filename=cut.mp4 HTTP/1.1\r\nhost: {place.netloc}\r\n"
        f"authorization: {caller.http.headers['authorization']}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )

    for cut in (0, 1, len(body) // 2, len(body) - 1):
        with socket.create_connection((place.hostname, place.port or 80), timeout=10) as wire:
            wire.sendall(head.encode() + body[:cut])

    caller.converted(video)
    listed = caller.http.get("/v1/conversions").json()["conversions"]
    assert [each["video"]["filename"] for each in listed] == [video.name]


def test_bytes_that_are_not_the_declared_ones_are_refused(caller: RestClient, video: Path) -> None:
    answer = caller.upload(video, sha256="0" * 64)

    assert (answer.status_code, reason_of(answer)) == (400, "CHECKSUM_MISMATCH")
    assert caller.http.get("/v1/conversions").json()["conversions"] == []


def test_a_text_file_named_mp4_fails_as_unreadable(caller: RestClient, tmp_path: Path) -> None:
    text = tmp_path / "letter.mp4"
    text.write_text("Dear reader,\n" * 1000)

    assert failure_of(caller.converted(text)) == "UNREADABLE_VIDEO"


@pytest.mark.parametrize(
    "playlist",
    ["#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n", "ffconcat version 1.0\nfile /etc/passwd\n"],
    ids=["HLS", "concat"],
)
def test_a_playlist_named_mp4_fails_as_unreadable(
    caller: RestClient, tmp_path: Path, playlist: str
) -> None:
    video = tmp_path / "holiday.mp4"
    video.write_text(playlist)

    assert failure_of(caller.converted(video)) == "UNREADABLE_VIDEO"


def test_hours_of_silence_in_a_few_kilobytes_fail_as_out_of_proportion(
    caller: RestClient, tmp_path: Path
) -> None:
    bomb = tmp_path / "speech.flac"
    bomb.write_bytes(flac_of_silence(11 * 3600))

    assert failure_of(caller.converted(bomb)) == "OUT_OF_PROPORTION"


def test_a_video_without_audio_fails_as_such(caller: RestClient, tmp_path: Path) -> None:
    assert failure_of(caller.converted(make_silent_film(tmp_path / "a.mp4"))) == "NO_AUDIO"


def test_a_truncated_video_fails_and_is_never_half_a_success(
    caller: RestClient, tmp_path: Path
) -> None:
    whole = make_video(tmp_path / "whole.mp4", seconds=10).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])

    assert failure_of(caller.converted(cut)) == "TRUNCATED_VIDEO"


def test_a_video_with_its_index_at_the_end_succeeds(caller: RestClient, tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4", seconds=3, faststart=False)

    assert caller.converted(video)["state"] == "SUCCEEDED"


def test_a_video_that_lost_its_index_fails_as_unreadable(
    caller: RestClient, tmp_path: Path
) -> None:
    whole = make_video(tmp_path / "a.mp4", seconds=3, faststart=False).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 9 // 10])

    assert failure_of(caller.converted(cut)) == "UNREADABLE_VIDEO"


def test_a_header_of_100_kilobytes_is_431(caller: RestClient) -> None:
    answer = caller.http.get("/v1/conversions", headers={"x-long": "x" * 100_000})

    assert (answer.status_code, reason_of(answer)) == (431, "HEADERS_TOO_LARGE")


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/v1/conversions?colour=red", 400, "INVALID_QUERY_PARAMETER"),
        ("GET", "/v1/conversions?page_size=-1", 400, "INVALID_PAGE_SIZE"),
        ("GET", "/v1/conversions?page_token=x", 400, "INVALID_PAGE_TOKEN"),
        ("GET", "/v1/nothing", 404, "UNKNOWN_ROUTE"),
        ("GET", "/assets/nothing.js", 404, "UNKNOWN_ASSET"),
        ("POST", "/v1/conversions", 400, "MISSING_FILENAME"),
        ("POST", "/v1/conversions?filename=a.mp4&bitrate_kbps=33", 400, "INVALID_BITRATE"),
        ("POST", "/v1/conversions?filename=a.mp4&request_id=1", 400, "INVALID_REQUEST_ID"),
        ("POST", "/v1/conversions?filename=a.mp4&sha256=no", 400, "INVALID_SHA256"),
    ],
)
def test_a_bad_request_is_answered_with_its_reason(
    caller: RestClient, method: str, path: str, status: int, reason: str
) -> None:
    content = b"video" if method == "POST" else None

    answer = caller.http.request(method, path, content=content)

    assert (answer.status_code, reason_of(answer)) == (status, reason)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"email": 5}', b"\xff"])
def test_a_malformed_registration_is_400(new_caller: NewCaller, body: bytes) -> None:
    answer = new_caller().http.post(
        "/v1/accounts", content=body, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 400
    assert reason_of(answer)


def test_a_service_port_is_no_way_around_the_token(stack: Stack) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{stack.port_of('gateway')}") as channel:
        stub = conversion_pb2_grpc.ConversionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.ListConversions(conversion_pb2.ListConversionsRequest(), timeout=10)

    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_wrong_credentials_are_401_and_too_many_of_them_429(new_caller: NewCaller) -> None:
    caller = new_caller()
    wrong = ("nobody@example.org", "wrong password")

    answers = [caller.http.post("/v1/login", auth=wrong) for _ in range(40)]

    assert (answers[0].status_code, reason_of(answers[0])) == (401, "INVALID_CREDENTIALS")
    assert (answers[-1].status_code, reason_of(answers[-1])) == (429, "RATE_LIMITED")
    assert isinstance(answers[-1], httpx.Response)
    assert int(answers[-1].headers["retry-after"]) > 0
