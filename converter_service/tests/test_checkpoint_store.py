"""The contract of `CheckpointStore`, over the fake and over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from converter_fakes import InMemoryCheckpointStore, order

from converter_service.adapters.mongo_checkpoints import MongoCheckpointStore
from converter_service.domain import ConversionId, WorkId, work_of
from converter_service.engine.checkpoints import path_of
from converter_service.ports import CheckpointStore
from tonearm_chassis import mongo
from tonearm_chassis.testing.clock import FakeClock

ONE, OTHER = order(1).conversion_id, order(2).conversion_id
WORK = work_of(order(1), "ffmpeg 9")


@dataclass(frozen=True, slots=True)
class Kept:
    """A store, its time machine, and a directory."""

    store: CheckpointStore
    pass_time: Callable[[float], Awaitable[None]]
    directory: Path

    async def keep(
        self, number: int, frames: bytes, conversion_id: ConversionId = ONE, work: WorkId = WORK
    ) -> None:
        chunk = self.directory / "chunk"
        chunk.write_bytes(frames)
        await self.store.keep(conversion_id, work, number, chunk)

    async def fetched(
        self, conversion_id: ConversionId = ONE, work: WorkId = WORK
    ) -> dict[int, bytes]:
        target = self.directory / "fetched"
        target.mkdir(exist_ok=True)
        count = await self.store.fetch(conversion_id, work, target)
        paths = {number: path_of(target, number) for number in range(10)}
        found = {number: path.read_bytes() for number, path in paths.items() if path.exists()}
        assert len(found) == count
        return found


@pytest.fixture(params=["memory", "mongodb"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    if request.param == "memory":
        clock = FakeClock()

        async def pass_fake_time(seconds: float) -> None:
            clock.advance(seconds)

        yield Kept(InMemoryCheckpointStore(clock), pass_fake_time, tmp_path)
        return
    async with mongo.connect(request.getfixturevalue("mongodb_uri")) as client:
        await client.drop_database("converter")
        collection = mongo.database(client, "converter")["checkpoints"]
        store = MongoCheckpointStore(collection)
        await store.prepare()

        async def pass_time(seconds: float) -> None:
            for each in await collection.find().to_list():
                earlier = each["kept_at"] - timedelta(seconds=seconds)
                await collection.update_one({"_id": each["_id"]}, {"$set": {"kept_at": earlier}})

        yield Kept(store, pass_time, tmp_path)


async def test_what_was_kept_comes_back(kept: Kept) -> None:
    await kept.keep(0, b"first")
    await kept.keep(7, b"eighth")

    assert await kept.fetched() == {0: b"first", 7: b"eighth"}


async def test_a_repeat_keeps_nothing_twice(kept: Kept) -> None:
    await kept.keep(0, b"first")
    await kept.keep(0, b"first")

    assert await kept.fetched() == {0: b"first"}


async def test_other_work_gets_nothing_of_it(kept: Kept) -> None:
    await kept.keep(0, b"first")

    assert await kept.fetched(work=work_of(order(1), "ffmpeg 10")) == {}


async def test_another_conversion_of_the_same_video_gets_nothing_of_it(kept: Kept) -> None:
    await kept.keep(0, b"first")

    assert await kept.fetched(OTHER) == {}


async def test_what_is_removed_is_gone_whatever_work_it_was_and_nothing_else(kept: Kept) -> None:
    await kept.keep(0, b"one")
    await kept.keep(0, b"another", work=WorkId("other"))
    await kept.keep(0, b"not ours", OTHER)

    await kept.store.remove(ONE)
    await kept.store.remove(ONE)

    found = [await kept.fetched(ONE), await kept.fetched(ONE, WorkId("other"))]
    assert found == [{}, {}]
    assert await kept.fetched(OTHER) == {0: b"not ours"}


async def test_what_is_old_is_swept(kept: Kept) -> None:
    await kept.keep(0, b"old")
    await kept.pass_time(100.0)
    await kept.keep(1, b"new")

    swept = [await kept.store.sweep(50.0), await kept.store.sweep(50.0)]

    assert swept == [1, 0]
    assert await kept.fetched() == {1: b"new"}


async def test_what_was_damaged_in_the_store_is_left_out(mongodb_uri: str, tmp_path: Path) -> None:
    async with mongo.connect(mongodb_uri) as client:
        await client.drop_database("converter")
        collection = mongo.database(client, "converter")["checkpoints"]
        kept = Kept(MongoCheckpointStore(collection), FakeClock().sleep, tmp_path)
        await kept.keep(0, b"first")
        await kept.keep(1, b"second")

        await collection.update_one({"number": 0}, {"$set": {"frames": b"flipped"}})

        assert await kept.fetched() == {1: b"second"}


def test_the_same_work_is_of_the_same_bytes_options_and_engine() -> None:
    works = {work_of(order(1), engine) for engine in ("ffmpeg 9", "ffmpeg 9", "ffmpeg 10")}

    assert len(works) == 2
