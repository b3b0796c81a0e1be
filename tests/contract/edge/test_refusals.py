"""Every refusal is JSON of one shape, whether Envoy or a service gives it."""

from __future__ import annotations

import asyncio

import grpc
import httpx
import pytest

from .errors import refusal
from .fakes import Journal, refuse
from .stack import MAX_VIDEO_BYTES, Edge


async def test_an_unknown_path_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/nonsense")

    assert refusal(answer) == (404, "UNKNOWN_ROUTE", 5)


async def test_an_unknown_method_is_not_found(member: httpx.AsyncClient) -> None:
    answer = await member.delete("/v1/deliveries")

    assert refusal(answer) == (404, "UNKNOWN_ROUTE", 5)


@pytest.mark.parametrize("query", ["colour=red", "page_size=many", "page_sise=1&page_size=1"])
async def test_an_unknown_or_senseless_query_parameter_is_refused_by_name(
    member: httpx.AsyncClient, journal: Journal, query: str
) -> None:
    answer = await member.get(f"/v1/conversions?{query}")

    assert refusal(answer) == (400, "INVALID_QUERY_PARAMETER", 3)
    assert query.partition("=")[0] in answer.json()["message"]
    assert journal.calls == []


async def test_broken_json_is_refused(client: httpx.AsyncClient, journal: Journal) -> None:
    answer = await client.post("/v1/login", content=b'{"email": ')

    assert refusal(answer) == (400, "MALFORMED_BODY", 3)
    assert journal.calls == []


async def test_json_larger_than_any_call_needs_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/login", json={"email": "a" * 100_000})

    assert refusal(answer) == (413, "BODY_TOO_LARGE", 8)


async def test_a_header_of_100_kb_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", headers={"x-large": "a" * 100_000})

    assert refusal(answer) == (431, "HEADERS_TOO_LARGE", 3)


@pytest.mark.parametrize(
    "path", ["/v1/conversions/a%2Fb", "/v1/conversions/a%5Cb", "/assets/..%2F..%2Fsecret"]
)
async def test_an_escaped_slash_is_refused(member: httpx.AsyncClient, path: str) -> None:
    answer = await member.get(path)

    assert refusal(answer) == (400, "MALFORMED_REQUEST", 3)


async def test_what_is_not_http_is_refused(edge: Edge) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)

    writer.write(b"GET / HTTP/1.1\r\nnonsense\r\n\r\n")
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"reason":"MALFORMED_REQUEST"' in answer


async def test_a_video_announced_as_too_large_is_refused_before_it_is_sent(
    edge: Edge, journal: Journal
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    head = (
        "POST /v1/conversions?filename=a.mp4 HTTP/1.1\r\nhost: edge\r\n"
        f"authorization: {edge.bearer()['authorization']}\r\n"
        f"content-length: {MAX_VIDEO_BYTES + 1}\r\n\r\n"
    )

    writer.write(head.encode())
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"reason":"VIDEO_TOO_LARGE"' in answer
    assert journal.calls == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 400),
        (grpc.StatusCode.NOT_FOUND, 404),
        (grpc.StatusCode.ALREADY_EXISTS, 409),
        (grpc.StatusCode.INTERNAL, 500),
    ],
)
async def test_a_services_refusal_has_the_same_shape_as_the_edges(
    member: httpx.AsyncClient, journal: Journal, code: grpc.StatusCode, status: int
) -> None:
    journal.reactions["GetConversion"] = refuse(code, "BECAUSE")

    answer = await member.get("/v1/conversions/c1")

    assert refusal(answer) == (status, "BECAUSE", code.value[0])
    assert answer.json()["message"] == "refused: BECAUSE"


@pytest.mark.parametrize("path", ["/v1/conversions/c1/audio", "/v1/conversions/c1:watch"])
async def test_a_stream_that_fails_before_its_first_message_is_a_refusal_too(
    member: httpx.AsyncClient, journal: Journal, path: str
) -> None:
    react = refuse(grpc.StatusCode.NOT_FOUND, "UNKNOWN_CONVERSION")
    journal.reactions["DownloadAudio"] = journal.reactions["WatchConversion"] = react

    answer = await member.get(path)

    assert refusal(answer) == (404, "UNKNOWN_CONVERSION", 5)


async def test_an_upload_refused_on_its_way_is_answered_as_json(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    journal.reactions["UploadVideo"] = refuse(grpc.StatusCode.INVALID_ARGUMENT, "MISSING_FILENAME")

    answer = await member.post("/v1/conversions", content=b"video")

    assert refusal(answer) == (400, "MISSING_FILENAME", 3)
