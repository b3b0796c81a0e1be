"""Videos in and audio out, without Envoy holding either."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from .fakes import AUDIO, PAGE, Context, Journal
from .stack import Edge

MEBIBYTE = 1024 * 1024
VIDEO_MEBIBYTES = 64
# What buffers of 1 MiB on both sides may take, and some slack for everything else.
FLAT_BYTES = 16 * MEBIBYTE
NEWS_SECONDS = 5.0


async def video(mebibytes: int = VIDEO_MEBIBYTES) -> AsyncIterator[bytes]:
    """Make a video that is never in memory as a whole."""
    for number in range(mebibytes):
        yield bytes([number]) * MEBIBYTE


VIDEO_BYTES = VIDEO_MEBIBYTES * MEBIBYTE


def video_sha256() -> str:
    """Digest the same video."""
    digest = hashlib.sha256()
    for number in range(VIDEO_MEBIBYTES):
        digest.update(bytes([number]) * MEBIBYTE)
    return digest.hexdigest()


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_a_large_upload_waits_for_a_slow_service_and_not_in_envoy(
    edge: Edge, source: str, journal: Journal, *, http2: bool
) -> None:
    async def dawdle(_context: Context) -> None:
        await asyncio.sleep(1)

    journal.reactions["UploadVideo"] = dawdle
    before = await edge.allocated_bytes()
    async with edge.client(source, http2=http2) as client:
        upload = asyncio.create_task(
            client.post(
                "/v1/conversions?filename=a.mp4",
                content=video(),
                headers={**edge.bearer(), "content-length": str(VIDEO_BYTES)},
            )
        )
        highest = before
        while not upload.done():
            highest = max(highest, await edge.allocated_bytes())
            await asyncio.sleep(0.05)

    assert upload.result().status_code == httpx.codes.CREATED
    assert highest - before < FLAT_BYTES
    [arrived] = journal.uploads
    assert arrived.sha256 == video_sha256()
    assert max(arrived.piece_bytes) <= MEBIBYTE
    call = journal.only("UploadVideo")
    assert call.metadata["x-request-content-length"] == str(VIDEO_BYTES)


async def test_an_upload_over_http1_arrives_in_large_pieces(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    await member.post(
        "/v1/conversions?filename=a.mp4",
        content=video(8),
        headers={"content-length": str(8 * MEBIBYTE)},
    )

    [arrived] = journal.uploads
    assert sum(arrived.piece_bytes) / len(arrived.piece_bytes) > 64 * 1024


async def test_the_type_of_a_video_arrives_with_its_first_piece(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    await member.post(
        "/v1/conversions?filename=a.mp4", content=b"video", headers={"content-type": "video/mp4"}
    )

    assert journal.uploads[0].first.video.content_type == "video/mp4"


async def test_an_empty_upload_still_says_what_it_wanted(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    await member.post("/v1/conversions?filename=a.mp4", content=b"")

    [arrived] = journal.uploads
    assert arrived.first.filename == "a.mp4"
    assert arrived.piece_bytes == [0]


async def test_the_bytes_of_a_video_cannot_come_from_the_query(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    await member.post("/v1/conversions?filename=a.mp4&video.data=aGVsbG8=", content=b"video")

    assert journal.uploads[0].sha256 == hashlib.sha256(b"video").hexdigest()


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_a_download_is_the_file_with_its_type_length_and_name(
    edge: Edge, source: str, *, http2: bool
) -> None:
    async with edge.client(source, http2=http2) as client:
        answer = await client.get("/v1/conversions/c1/audio", headers=edge.bearer())

    assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert answer.content == AUDIO
    assert answer.headers["content-length"] == str(len(AUDIO))
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["content-disposition"] == 'attachment; filename="tune.mp3"'


async def test_a_download_that_stops_short_ends_with_an_error_and_not_as_a_shorter_file(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    journal.audio_pieces = 2

    with pytest.raises(httpx.RemoteProtocolError):
        await member.get("/v1/conversions/c1/audio")


async def test_the_page_has_its_own_type(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")

    assert answer.content == PAGE
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_watch_says_each_state_on_a_line_as_soon_as_it_is_known(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    async with asyncio.timeout(NEWS_SECONDS):
        async with member.stream("GET", "/v1/conversions/c7:watch") as answer:
            lines = answer.aiter_lines()
            first = json.loads(await anext(lines))
            journal.change.set()
            rest = [json.loads(line) async for line in lines]

    assert first["conversion"] == {
        "id": "c7",
        "state": "QUEUED",
        "progress": 0,
        "retry_of": "",
    }
    assert [line["conversion"]["state"] for line in rest] == ["SUCCEEDED"]
