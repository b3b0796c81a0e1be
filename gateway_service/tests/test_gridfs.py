"""Videos in and audio out of a real GridFS."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pytest
from gridfs.asynchronous.grid_file import AsyncGridFSBucket
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service.adapters.gridfs_audio import PIECE_BYTES, GridFSAudioStore
from gateway_service.adapters.gridfs_videos import GridFSVideoStore
from gateway_service.domain import AudioId, VideoId
from gateway_service.ports import MissingAudio
from tonearm_chassis.mongo import Document
from tonearm_chassis.testing.mongo import DatedDatabase

MIB = 1024 * 1024
VIDEO_ID = VideoId("v1")


@pytest.fixture
async def videos(mongodb: AsyncDatabase[Document]) -> GridFSVideoStore:
    store = GridFSVideoStore(mongodb)
    await store.prepare()
    return store


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, 4 * MIB, 4 * MIB + 1, 9 * MIB + 12345])
async def test_a_committed_video_reads_back_the_same(
    videos: GridFSVideoStore, mongodb: AsyncDatabase[Document], size: int
) -> None:
    video = os.urandom(size)
    sink = videos.begin(VIDEO_ID)

    for start in range(0, size, 300_000):
        await sink.write(video[start : start + 300_000])
    await sink.commit()

    stream = await AsyncGridFSBucket(mongodb).open_download_stream(VIDEO_ID)
    assert await stream.read() == video


async def test_a_video_that_is_not_committed_cannot_be_found(
    videos: GridFSVideoStore, mongodb: AsyncDatabase[Document]
) -> None:
    sink = videos.begin(VIDEO_ID)

    await sink.write(os.urandom(9 * MIB))

    assert await mongodb["fs.files"].count_documents({}) == 0


async def test_an_aborted_video_leaves_no_chunk(
    videos: GridFSVideoStore, mongodb: AsyncDatabase[Document]
) -> None:
    sink = videos.begin(VIDEO_ID)
    await sink.write(os.urandom(9 * MIB))

    await sink.abort()
    await sink.abort()

    assert await mongodb["fs.chunks"].count_documents({}) == 0


async def test_a_deleted_video_leaves_nothing(
    videos: GridFSVideoStore, mongodb: AsyncDatabase[Document]
) -> None:
    sink = videos.begin(VIDEO_ID)
    await sink.write(b"x")
    await sink.commit()

    await videos.delete(VIDEO_ID)
    await videos.delete(VIDEO_ID)

    assert await mongodb["fs.files"].count_documents({}) == 0
    assert await mongodb["fs.chunks"].count_documents({}) == 0


async def test_audio_is_read_in_pieces_that_travel_well(mongodb: AsyncDatabase[Document]) -> None:
    audio = os.urandom(3 * MIB + 7)
    await AsyncGridFSBucket(mongodb).upload_from_stream_with_id("a1", "audio", audio)

    pieces = [piece async for piece in GridFSAudioStore(mongodb).read(AudioId("a1"))]

    assert b"".join(pieces) == audio
    assert max(len(piece) for piece in pieces) <= PIECE_BYTES


async def test_deleted_audio_is_missing(mongodb: AsyncDatabase[Document]) -> None:
    await AsyncGridFSBucket(mongodb).upload_from_stream_with_id("a1", "audio", b"x")
    store = GridFSAudioStore(mongodb)

    await store.delete(AudioId("a1"))
    await store.delete(AudioId("a1"))

    with pytest.raises(MissingAudio):
        await anext(store.read(AudioId("a1")))


async def test_audio_without_all_its_chunks_is_missing(mongodb: AsyncDatabase[Document]) -> None:
    await AsyncGridFSBucket(mongodb).upload_from_stream_with_id("a1", "audio", b"x")
    await mongodb["fs.chunks"].delete_many({})

    with pytest.raises(MissingAudio):
        await anext(GridFSAudioStore(mongodb).read(AudioId("a1")))


async def test_a_video_that_was_never_committed_is_deleted_too(
    videos: GridFSVideoStore, mongodb: AsyncDatabase[Document]
) -> None:
    await videos.begin(VIDEO_ID).write(os.urandom(9 * MIB))

    await videos.delete(VIDEO_ID)

    assert await mongodb["fs.chunks"].count_documents({}) == 0


async def strangers(videos: GridFSVideoStore, *known: str, age: float = 0.0) -> list[str]:
    """List the orphans, if these videos are known."""

    async def tell(video_ids: Collection[str]) -> set[str]:
        return set(known) & set(video_ids)

    return sorted([each async for each in videos.orphans(age, tell)])


async def test_bytes_that_nobody_knows_are_orphans_committed_or_not(
    videos: GridFSVideoStore, mongodb: AsyncDatabase[Document]
) -> None:
    for name in ("file", "known-file"):
        sink = videos.begin(VideoId(name))
        await sink.write(b"x")
        await sink.commit()
    for name in ("half", "known-half"):
        await mongodb["fs.chunks"].insert_one({"files_id": name, "n": 0, "data": b"x"})

    # Ids of chunks have seconds: what was stored in this one is no second old.
    found = await strangers(videos, "known-file", "known-half", age=-2)

    assert found == ["file", "half"]
    assert await strangers(videos, age=60) == []


async def test_how_old_a_file_is_the_store_says(mongodb: AsyncDatabase[Document]) -> None:
    dated: Any = DatedDatabase(mongodb, datetime(2020, 1, 2, tzinfo=UTC))
    videos = GridFSVideoStore(mongodb)
    videos._database = dated  # noqa: SLF001 - the driver's bucket takes only the driver's database
    sink = videos.begin(VideoId("new"))
    await sink.write(b"x")
    await sink.commit()

    assert await strangers(videos, age=60) == []
