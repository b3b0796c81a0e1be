"""Chunks without a file, on the embedded store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from tonearm_chassis import mongo
from tonearm_chassis.errors import Outage
from tonearm_chassis.gridfs_orphans import STRETCH, OrphanSearch, gridfs_orphans
from tonearm_chassis.gridfs_writer import CHUNK_BYTES, GridFSWriter, prepare_gridfs
from tonearm_chassis.mongo import Document

HOUR = 3600.0


@pytest.fixture
async def bucket(mongodb_uri: str) -> AsyncIterator[AsyncDatabase[Document]]:
    client = mongo.connect(mongodb_uri)
    name = f"orphans-{uuid4().hex[:8]}"
    await prepare_gridfs(mongo.database(client, name))
    yield mongo.database(client, name)
    await client.drop_database(name)
    await client.close()


async def put_chunks(bucket: AsyncDatabase[Document], file_id: str, *ages: float) -> None:
    """Store chunks of these ages in seconds, in the order of their numbers."""
    now = datetime.now(UTC)
    await bucket["fs.chunks"].insert_many(
        [
            {
                "_id": ObjectId(
                    ObjectId.from_datetime(now - timedelta(seconds=age)).binary[:4]
                    + ObjectId().binary[4:]
                ),
                "files_id": file_id,
                "n": number,
                "data": b"x",
            }
            for number, age in enumerate(ages)
        ]
    )


async def test_chunks_whose_writer_died_long_ago_are_orphans(
    bucket: AsyncDatabase[Document],
) -> None:
    await put_chunks(bucket, "dead", 3 * HOUR, 2 * HOUR)

    assert await gridfs_orphans(bucket, HOUR) == ["dead"]


async def test_an_upload_that_began_long_ago_and_goes_on_is_left_alone(
    bucket: AsyncDatabase[Document],
) -> None:
    await put_chunks(bucket, "slow", 3 * HOUR, 2 * HOUR, 60)

    assert await gridfs_orphans(bucket, HOUR) == []


async def test_an_upload_under_way_is_an_orphan_only_after_its_time(
    bucket: AsyncDatabase[Document],
) -> None:
    writer = GridFSWriter(bucket, "under way", "video")
    await writer.write(bytes(CHUNK_BYTES * 8))

    assert await gridfs_orphans(bucket, HOUR) == []
    assert await gridfs_orphans(bucket, -2) == ["under way"]
    await writer.abort()


async def test_a_file_is_no_orphan_however_old(bucket: AsyncDatabase[Document]) -> None:
    writer = GridFSWriter(bucket, "whole", "video")
    await writer.write(bytes(CHUNK_BYTES + 1))
    await writer.commit()

    assert await gridfs_orphans(bucket, -2) == []


async def test_a_chunk_whose_age_nobody_knows_is_left_alone(
    bucket: AsyncDatabase[Document],
) -> None:
    await bucket["fs.chunks"].insert_one({"_id": 7, "files_id": "foreign", "n": 0, "data": b"x"})

    assert await gridfs_orphans(bucket, -2) == []


async def test_a_round_takes_as_many_stretches_as_it_needs(
    bucket: AsyncDatabase[Document],
) -> None:
    names = [f"{number:05}" for number in range(STRETCH + 5)]
    old = ObjectId.from_datetime(datetime.now(UTC) - timedelta(hours=2)).binary[:4]
    await bucket["fs.chunks"].insert_many(
        [
            {"_id": ObjectId(old + ObjectId().binary[4:]), "files_id": name, "n": 0, "data": b""}
            for name in names
        ]
    )
    search = OrphanSearch(bucket)

    stretches = [await search.next(HOUR) for _ in range(3)]

    assert stretches == [names[:STRETCH], names[STRETCH:], names[:STRETCH]]
    assert await gridfs_orphans(bucket, HOUR) == names


async def test_an_empty_bucket_has_no_orphans(bucket: AsyncDatabase[Document]) -> None:
    search = OrphanSearch(bucket)

    assert await search.next(HOUR) == []
    assert search.is_round


async def test_a_store_that_is_away_is_an_outage() -> None:
    client = mongo.connect("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
    try:
        with pytest.raises(Outage):
            await gridfs_orphans(mongo.database(client, "videos"), HOUR)
    finally:
        await client.close()
