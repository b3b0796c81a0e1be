"""Videos in and audio out of a real GridFS."""

from __future__ import annotations

import os

import pytest
from gridfs.asynchronous.grid_file import AsyncGridFSBucket
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service.adapters.gridfs_audio import PIECE_BYTES, GridFSAudioStore
from gateway_service.adapters.gridfs_videos import GridFSVideoStore
from gateway_service.domain import AudioId, VideoId
from tonearm_chassis.mongo import Document

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
