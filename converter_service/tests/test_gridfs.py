"""The contracts of `VideoStore` and `AudioStore`, over the fakes and over a real store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from converter_fakes import InMemoryAudioStore, InMemoryVideoStore, order
from gridfs.asynchronous import AsyncGridFSBucket
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from converter_service.adapters.gridfs_audio import GridFSAudioStore
from converter_service.adapters.gridfs_videos import GridFSVideoStore
from converter_service.domain import AudioFile, AudioId, Claim, ConversionId, VideoLost, Waveform
from converter_service.ports import AudioStore, VideoStore
from tonearm_chassis import mongo
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.errors import Outage, StorageFull
from tonearm_chassis.gridfs_writer import CHUNK_BYTES, GridFSWriter

VIDEO = bytes(range(256)) * 10_000
CLAIM = Claim(order(), fence=3, owner="me")
AUDIO_ID = AudioId("a" * 32)
WAVEFORM = Waveform(44_100, 64, b"\x80\x7f", -0.5, -12.0, 0.001)


@dataclass(frozen=True, slots=True)
class Stores:
    """Both stores, with the video of order 1 in place, and a way to read audio back."""

    videos: VideoStore
    audio: AudioStore
    read_audio: Callable[[], Awaitable[bytes | None]]
    cut_off: Callable[[AudioId], Awaitable[None]]
    read_waveform: Callable[[], Awaitable[object]]

    async def listed(self, since: timedelta | None, until: timedelta) -> list[AudioFile]:
        now = datetime.now(UTC)
        begin = None if since is None else now + since
        return [file async for files in self.audio.list_files(begin, now + until) for file in files]

    async def fragments(self, until: timedelta) -> list[AudioId]:
        return await self.audio.fragments(-until.total_seconds())


@pytest.fixture(params=["memory", "gridfs"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        memory = InMemoryAudioStore(SystemClock())

        async def read_memory() -> bytes | None:
            return memory.files.get(AUDIO_ID)

        async def half_memory(name: AudioId) -> None:
            memory.halves[name] = datetime.now(UTC)

        async def waveform_memory() -> object:
            found = memory.waveforms.get(AUDIO_ID)
            return found and asdict(found)

        yield Stores(InMemoryVideoStore(VIDEO), memory, read_memory, half_memory, waveform_memory)
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

        async def cut_off(name: AudioId) -> None:
            writer = GridFSWriter(audio, name, "half")
            await writer.write(b"x" * CHUNK_BYTES * 4)
            await writer.write(b"x" * CHUNK_BYTES * 4)

        async def read_waveform() -> object:
            found = await audio["fs.files"].find_one({"_id": AUDIO_ID})
            return found and found["metadata"].get("waveform")

        store = GridFSAudioStore(audio)
        await store.prepare()
        yield Stores(GridFSVideoStore(videos), store, read_audio, cut_off, read_waveform)


async def test_a_waveform_is_kept_and_removed_with_its_audio(
    stores: Stores, tmp_path: Path
) -> None:
    (tmp_path / "audio.mp3").write_bytes(b"an MP3")

    await stores.audio.put(AUDIO_ID, CLAIM, tmp_path / "audio.mp3", WAVEFORM)
    kept = await stores.read_waveform()
    await stores.audio.remove([AUDIO_ID])

    assert kept == asdict(WAVEFORM)
    assert await stores.read_waveform() is None


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

    stored = await stores.audio.put(AUDIO_ID, CLAIM, tmp_path / "audio")

    assert await stores.read_audio() == VIDEO
    assert stored.audio_id == AUDIO_ID
    assert stored.size_bytes == len(VIDEO)
    assert stored.sha256 == hashlib.sha256(VIDEO).hexdigest()


async def test_removed_audio_is_gone_and_removing_again_is_fine(
    stores: Stores, tmp_path: Path
) -> None:
    (tmp_path / "audio").write_bytes(VIDEO)
    await stores.audio.put(AUDIO_ID, CLAIM, tmp_path / "audio")

    await stores.audio.remove([AUDIO_ID])
    await stores.audio.remove([AUDIO_ID])

    assert await stores.read_audio() is None


OTHER = Claim(order(2), fence=1, owner="you")
OTHER_ID = AudioId("b" * 32)
DAY = timedelta(days=1)


async def test_stored_audio_says_whose_it_is(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "audio").write_bytes(VIDEO)
    await stores.audio.put(AUDIO_ID, CLAIM, tmp_path / "audio")

    assert await stores.listed(None, DAY) == [AudioFile(AUDIO_ID, order().conversion_id, 3)]
    assert await stores.listed(None, -DAY) == []
    assert await stores.listed(DAY, DAY) == []


async def test_all_audio_of_a_conversion_is_removed_and_none_of_others(
    stores: Stores, tmp_path: Path
) -> None:
    (tmp_path / "audio").write_bytes(b"an MP3")
    for name, claim in ((AUDIO_ID, CLAIM), (AudioId("c" * 32), CLAIM), (OTHER_ID, OTHER)):
        await stores.audio.put(name, claim, tmp_path / "audio")

    await stores.audio.remove_all(order().conversion_id)
    await stores.audio.remove_all(ConversionId("f" * 32))

    assert [file.audio_id for file in await stores.listed(None, DAY)] == [OTHER_ID]


async def test_what_was_cut_off_is_a_fragment_until_it_is_removed(
    stores: Stores, tmp_path: Path
) -> None:
    (tmp_path / "audio").write_bytes(VIDEO)
    await stores.audio.put(OTHER_ID, OTHER, tmp_path / "audio")
    await stores.cut_off(AUDIO_ID)

    assert await stores.fragments(DAY) == [AUDIO_ID]
    assert await stores.fragments(-DAY) == []
    await stores.audio.remove([AUDIO_ID])
    assert await stores.fragments(DAY) == []


async def test_a_disk_that_is_full_is_no_fault_of_the_video(stores: Stores) -> None:
    with pytest.raises(StorageFull):
        await stores.videos.copy(order(video=VIDEO), Path("/dev/full"))


Kept = Callable[[list[mongo.Document]], list[mongo.Document]]


class _Losing:
    """A collection of chunks that acknowledges all and keeps what it likes."""

    def __init__(self, chunks: AsyncCollection[mongo.Document], kept: Kept) -> None:
        self._chunks = chunks
        self._kept = kept

    def __getattr__(self, name: str) -> object:
        return getattr(self._chunks, name)

    async def insert_many(self, documents: list[mongo.Document]) -> None:
        await self._chunks.insert_many(self._kept(documents))


class _LosingDatabase:
    """A database with such a collection."""

    def __init__(self, database: AsyncDatabase[mongo.Document], kept: Kept) -> None:
        self._database = database
        self._kept = kept

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)

    def __getitem__(self, name: str) -> object:
        collection = self._database[name]
        return _Losing(collection, self._kept) if name == "fs.chunks" else collection


@pytest.mark.parametrize(
    "kept",
    [
        lambda chunks: chunks[1:],
        lambda chunks: chunks[:-1],
        lambda chunks: [{**each, "data": each["data"][::-1]} for each in chunks],
        lambda chunks: [{**each, "n": len(chunks) - 1 - each["n"]} for each in chunks],
    ],
    ids=["first chunk lost", "last chunk lost", "bytes changed", "order changed"],
)
async def test_audio_that_the_store_does_not_give_back_as_it_was_counts_as_not_stored(
    mongodb: AsyncMongoClient[mongo.Document], tmp_path: Path, kept: Kept
) -> None:
    await mongodb.drop_database("audio")
    database = mongo.database(mongodb, "audio")
    losing: Any = _LosingDatabase(database, kept)
    store = GridFSAudioStore(
        database, lambda _, *about, **more: GridFSWriter(losing, *about, **more)
    )
    content = bytes(range(256)) * 4096 * 3 + b"rest"
    (tmp_path / "audio").write_bytes(content)

    with pytest.raises(Outage):
        await store.put(AUDIO_ID, CLAIM, tmp_path / "audio")

    assert await database["fs.files"].count_documents({}) == 0
    assert await database["fs.chunks"].count_documents({}) == 0
