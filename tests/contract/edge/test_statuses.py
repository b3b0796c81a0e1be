"""How a service's metadata becomes HTTP, and how a client's does not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import httpx
import pytest

from .errors import refusal
from .fakes import AUDIO, Context, Journal, refuse, send_metadata
from .stack import Edge

INTERNAL_WORDS = {
    "grpc-status",
    "grpc-message",
    "grpc-accept-encoding",
    "grpc-encoding",
    "x-http-code",
    "x-content-length",
}


async def test_an_upload_answers_201_with_a_location(member: httpx.AsyncClient) -> None:
    answer = await member.post("/v1/conversions?filename=a.mp4", content=b"video")

    assert answer.status_code == httpx.codes.CREATED
    assert answer.headers["location"] == "/v1/conversions/c1"
    assert answer.json()["conversion"]["id"] == "c1"


async def test_the_services_words_to_the_edge_stay_inside(member: httpx.AsyncClient) -> None:
    unary = await member.get("/v1/deliveries")
    upload = await member.post("/v1/conversions?filename=a.mp4", content=b"video")
    download = await member.get("/v1/conversions/c1/audio")

    for answer in (unary, upload, download):
        names = set(answer.headers)
        assert not names & INTERNAL_WORDS
        assert not {name for name in names if name.startswith("x-envoy-")}
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_client_cannot_choose_the_status_or_the_length_of_its_answer(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    spoofed = {"x-http-code": "418", "x-content-length": "7"}

    answer = await member.get("/v1/deliveries", headers=spoofed)

    assert answer.status_code == httpx.codes.OK
    assert len(answer.content) == int(answer.headers["content-length"])
    assert not spoofed.keys() & journal.only("ListDeliveries").metadata.keys()


async def test_a_client_cannot_claim_another_length_than_it_sends(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    await member.post(
        "/v1/conversions?filename=a.mp4",
        content=b"video",
        headers={"x-request-content-length": "999"},
    )

    assert journal.only("UploadVideo").metadata["x-request-content-length"] == "5"


async def test_a_chunked_upload_has_no_length_even_if_its_sender_claims_one(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"video"

    answer = await member.post(
        "/v1/conversions?filename=a.mp4",
        content=pieces(),
        headers={"x-request-content-length": "5"},
    )

    assert answer.status_code == httpx.codes.CREATED
    assert "x-request-content-length" not in journal.only("UploadVideo").metadata


async def test_envoys_own_headers_are_not_taken_from_clients(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    spoofed = {
        "x-envoy-original-method": "HEAD",
        "x-envoy-original-path": "/elsewhere",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-retry-on": "5xx",
    }

    answer = await member.get("/v1/deliveries", headers=spoofed)

    assert answer.status_code == httpx.codes.OK
    metadata = journal.only("ListDeliveries").metadata
    assert metadata["x-envoy-original-method"] == "GET"
    assert metadata["x-envoy-original-path"] == "/v1/deliveries"
    assert "x-envoy-retry-on" not in metadata


@pytest.mark.parametrize("code", ["204", "304"])
async def test_an_answer_without_a_body_leaves_the_connection_in_step(
    edge: Edge, source: str, journal: Journal, code: str
) -> None:
    journal.reactions["ListDeliveries"] = send_metadata(("x-http-code", code))
    async with edge.client(source) as client:
        client.headers.update(edge.bearer())

        empty = await client.get("/v1/deliveries")
        journal.reactions.clear()
        following = await client.get("/v1/deliveries")

    assert empty.status_code == int(code)
    assert empty.content == b""
    assert "content-length" not in empty.headers
    assert following.status_code == httpx.codes.OK
    assert following.json()["deliveries"][0]["attempts"] == 1


async def test_a_part_of_a_file_is_answered_with_206(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    journal.reactions["ListDeliveries"] = send_metadata(
        ("x-http-code", "206"), ("content-range", "bytes 0-1/2")
    )

    answer = await member.get("/v1/deliveries")

    assert answer.status_code == httpx.codes.PARTIAL_CONTENT
    assert answer.headers["content-range"] == "bytes 0-1/2"


@pytest.mark.parametrize("code", ["nonsense", "99", "404", "200.5", "-1", "1e3"])
async def test_a_success_stays_one_whatever_a_service_announces(
    member: httpx.AsyncClient, journal: Journal, code: str
) -> None:
    journal.reactions["ListDeliveries"] = send_metadata(("x-http-code", code))

    answer = await member.get("/v1/deliveries")

    assert answer.status_code == httpx.codes.OK


async def test_a_call_that_announced_success_and_then_failed_is_an_error(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    async def react(context: Context) -> None:
        await context.send_initial_metadata(
            (("x-http-code", "201"), ("x-content-length", "9"), ("content-disposition", "inline"))
        )
        await refuse(grpc.StatusCode.NOT_FOUND, "UNKNOWN_CONVERSION")(context)

    journal.reactions["ListDeliveries"] = react

    answer = await member.get("/v1/deliveries")

    assert refusal(answer) == (404, "UNKNOWN_CONVERSION", 5)
    assert "content-disposition" not in answer.headers


async def test_a_service_can_refine_the_status_of_a_refusal(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    journal.reactions["GetConversion"] = refuse(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "VIDEO_TOO_LARGE", ("x-http-code", "413")
    )

    answer = await member.get("/v1/conversions/c1")

    assert refusal(answer) == (413, "VIDEO_TOO_LARGE", 8)
    assert "x-http-code" not in answer.headers


async def test_head_tells_the_length_without_the_bytes(member: httpx.AsyncClient) -> None:
    answer = await member.head("/v1/conversions/c1/audio")

    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-length"] == str(len(AUDIO))
    assert answer.content == b""


async def test_head_tells_the_service_that_no_bytes_are_wanted(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    await member.head("/v1/conversions/c1/audio")

    assert journal.only("DownloadAudio").metadata["x-envoy-original-method"] == "HEAD"


async def test_an_upgrade_nobody_offers_is_ignored(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", headers={"connection": "upgrade", "upgrade": "websocket"})

    assert answer.status_code == httpx.codes.OK
