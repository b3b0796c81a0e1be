"""Taking videos in: only whole ones become conversions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from gateway_fakes import ADA, EVE
from gateway_world import IDLE_SECONDS, SHA256, VIDEO, World, declared, pieces

from gateway_service import domain
from gateway_service.domain import Awaited, Options, Refusal, State
from gateway_service.use_cases.upload import Declaration
from tonearm_chassis.errors import Outage

REQUEST_ID = "3f0f1f6e-5f0a-4c5e-9d5c-1b2f6a7c8d9e"


@pytest.fixture
def world() -> World:
    return World()


async def test_a_whole_video_becomes_a_queued_conversion_and_a_promise(world: World) -> None:
    conversion = await world.upload(ADA, declared(options=Options(bitrate_kbps=192)), pieces())

    assert conversion.state is State.QUEUED
    assert (conversion.video.sha256, conversion.video.size_bytes) == (SHA256, len(VIDEO))
    assert world.videos.videos == {conversion.video.id: VIDEO}
    assert world.conversions.promised == [(conversion.id, Awaited.OUTCOME)]
    assert world.relay.count == 1


@pytest.mark.parametrize(
    ("declaration", "video", "refusal"),
    [
        (declared(), VIDEO[:-1], domain.IncompleteVideo),
        (declared(), b"", domain.IncompleteVideo),
        (declared(), VIDEO + b"x", domain.LengthMismatch),
        (declared(sha256="0" * 64), VIDEO, domain.ChecksumMismatch),
        (declared(size_bytes=0, sha256=SHA256), VIDEO[:-1], domain.ChecksumMismatch),
        (declared(size_bytes=0, sha256=SHA256), b"", domain.EmptyVideo),
        (declared(size_bytes=0), VIDEO, domain.LengthRequired),
        (declared(size_bytes=-1), VIDEO, domain.LengthRequired),
        (declared(size_bytes=1001), VIDEO, domain.VideoTooLarge),
        (declared(size_bytes=0, sha256=SHA256), b"x" * 1001, domain.VideoTooLarge),
        (declared(sha256="zz"), VIDEO, domain.InvalidSHA256),
        (declared(options=Options(bitrate_kbps=33)), VIDEO, domain.InvalidBitrate),
        (declared(filename="/"), VIDEO, domain.MissingFilename),
        (declared(request_id="not a uuid"), VIDEO, domain.InvalidRequestId),
    ],
)
async def test_what_is_not_as_declared_is_refused_and_leaves_nothing(
    world: World, declaration: Declaration, video: bytes, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        await world.upload(ADA, declaration, pieces(video))

    assert world.is_empty()


async def test_a_checksum_alone_says_where_the_video_ends(world: World) -> None:
    conversion = await world.upload(ADA, declared(size_bytes=0, sha256=SHA256.upper()), pieces())

    assert conversion.video.size_bytes == len(VIDEO)


async def test_an_upload_that_is_cancelled_leaves_nothing(world: World) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield VIDEO[:5]
        await asyncio.Event().wait()

    upload = asyncio.create_task(world.upload(ADA, declared(), endless()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    upload.cancel()

    with pytest.raises(asyncio.CancelledError):
        await upload
    assert world.is_empty()


async def test_a_store_that_goes_away_leaves_no_conversion(world: World) -> None:
    world.videos.away = True

    with pytest.raises(Outage):
        await world.upload(ADA, declared(), pieces())
    world.videos.away = False
    await world.swept(seconds=IDLE_SECONDS)

    assert world.is_empty()


async def test_a_refusal_is_heard_though_the_store_goes_away(world: World) -> None:
    async def cut_off() -> AsyncIterator[bytes]:
        yield VIDEO[:5]
        world.videos.away = True

    with pytest.raises(domain.IncompleteVideo):
        await world.upload(ADA, declared(), cut_off())


async def test_a_repeated_request_is_answered_though_its_video_cannot_be_deleted(
    world: World,
) -> None:
    first = await world.upload(ADA, declared(request_id=REQUEST_ID), pieces())
    world.videos.undeletable = True

    again = await world.upload(ADA, declared(request_id=REQUEST_ID), pieces())

    assert again == first


async def test_a_repeated_request_gives_the_first_conversion_and_keeps_one_video(
    world: World,
) -> None:
    first = await world.upload(ADA, declared(request_id=REQUEST_ID), pieces())

    again = await world.upload(ADA, declared(request_id=REQUEST_ID.upper()), pieces())

    await world.swept()
    assert again == first
    assert list(world.videos.videos) == [first.video.id]
    assert len(world.conversions.promised) == 1


@pytest.mark.parametrize(
    "changed", [{"options": Options(bitrate_kbps=128)}, {"filename": "other.mp4"}]
)
async def test_a_request_id_with_other_options_is_refused(
    world: World, changed: dict[str, Any]
) -> None:
    first = await world.upload(ADA, declared(request_id=REQUEST_ID), pieces())

    with pytest.raises(domain.RequestIdReused):
        await world.upload(ADA, declared(request_id=REQUEST_ID, **changed), pieces())

    await world.swept()
    assert list(world.videos.videos) == [first.video.id]


async def test_a_request_id_with_another_video_is_refused(world: World) -> None:
    await world.upload(ADA, declared(request_id=REQUEST_ID), pieces())

    with pytest.raises(domain.RequestIdReused):
        await world.upload(ADA, declared(request_id=REQUEST_ID), pieces(VIDEO[::-1]))


async def test_somebody_elses_request_id_is_no_concern(world: World) -> None:
    adas = await world.upload(ADA, declared(request_id=REQUEST_ID), pieces())

    eves = await world.upload(EVE, declared(request_id=REQUEST_ID), pieces())

    assert eves.id != adas.id
