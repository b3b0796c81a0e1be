"""The contracts of `VideoStore` and `AudioStore`, over the fakes and over a real store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from converter_fakes import InMemoryAudioStore, InMemoryVideoStore, order
from gridfs.asynchronous import AsyncGridFSBucket

from converter_service.adapters.gridfs_audio import CHUNK_BYTES, GridFSAudioStore
from converter_service.adapters.gridfs_videos import GridFSVideoStore
from converter_service.domain import AudioId, VideoLost
from converter_service.ports import AudioStore, VideoStore
from tonearm_chassis import mongo

VIDEO = bytes(range(256)) * 10_000
AUDIO_ID = AudioId("a" * 32)


@dataclass(frozen=True, slots=True)
class Stores:
    """Both stores, with the video of order 1 in place, and a way to read audio back."""

    videos: VideoStore
    audio: AudioStore
    read_audio: Callable[[], Awaitable[bytes | None]]


@pytest.fixture(params=["memory", "gridfs"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        memory = InMemoryAudioStore()

        async def read_memory() -> bytes | None:
            return memory.files.get(AUDIO_ID)

        yield Stores(InMemoryVideoStore(VIDEO), memory, read_memory)
        return
    async with mongo.connect(request.getfixturevalue("mongodb_uri")) as client:
        for name in ("videos", "audio"):
            await client.drop_database(name)
        videos, audio = mongo.database(client, "videos"), mongo.database(client, "audio")
        bucket = AsyncGridFSBucket(videos, chunk_size_bytes=CHUNK_BYTES)
        await bucket.upload_from_stream_with_id(order().video_id, "video", VIDEO)

        async def read_audio() -> bytes | None:
            if await audio["fs.files"].find_one({"_id": AUDIO_ID}) is None:
                assert await audio["fs.chunks"].count_documents({}) == 0
                return None
            stream = await AsyncGridFSBucket(audio).open_download_stream(AUDIO_ID)
            return await stream.read()

        yield Stores(GridFSVideoStore(videos), GridFSAudioStore(audio), read_audio)


async def test_a_video_is_copied_whole(stores: Stores, tmp_path: Path) -> None:
    await stores.videos.copy(order(video=VIDEO), tmp_path / "video")

    assert (tmp_path / "video").read_bytes() == VIDEO


async def test_a_repeated_copy_starts_over(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "video").write_bytes(b"half" * len(VIDEO))

    await stores.videos.copy(order(video=VIDEO), tmp_path / "video")

    assert (tmp_path / "video").read_bytes() == VIDEO


async def test_a_video_that_is_not_what_was_ordered_is_lost(stores: Stores, tmp_path: Path) -> None:
    with pytest.raises(VideoLost):
        await stores.videos.copy(replace(order(video=VIDEO), sha256="0" * 64), tmp_path / "video")


async def test_a_video_that_is_missing_is_lost(stores: Stores, tmp_path: Path) -> None:
    with pytest.raises(VideoLost):
        await stores.videos.copy(order(2, video=b"never stored"), tmp_path / "video")


async def test_audio_is_stored_as_it_is(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "audio").write_bytes(VIDEO)

    stored = await stores.audio.put(AUDIO_ID, tmp_path / "audio")

    assert await stores.read_audio() == VIDEO
    assert stored.audio_id == AUDIO_ID
    assert stored.size_bytes == len(VIDEO)
    assert stored.sha256 == hashlib.sha256(VIDEO).hexdigest()


async def test_storing_again_replaces(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "audio").write_bytes(VIDEO)
    await stores.audio.put(AUDIO_ID, tmp_path / "audio")
    (tmp_path / "audio").write_bytes(b"shorter")

    await stores.audio.put(AUDIO_ID, tmp_path / "audio")

    assert await stores.read_audio() == b"shorter"


async def test_removed_audio_is_gone_and_removing_again_is_fine(
    stores: Stores, tmp_path: Path
) -> None:
    (tmp_path / "audio").write_bytes(VIDEO)
    await stores.audio.put(AUDIO_ID, tmp_path / "audio")

    await stores.audio.remove(AUDIO_ID)
    await stores.audio.remove(AUDIO_ID)

    assert await stores.read_audio() is None
