"""The store's clock decides, whatever the machine's says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tonearm_chassis import mongo
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.errors import Outage
from tonearm_chassis.gridfs_writer import GridFSWriter
from tonearm_chassis.store_clock import StoreClock
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.mongo import DatedDatabase

CLOSE = timedelta(seconds=5)
LONG_AGO = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


class WrongClock(SystemClock):
    """A machine's clock that somebody set an hour ahead."""

    def now(self) -> datetime:
        """Tell the wrong time."""
        return super().now() + timedelta(hours=1)


async def test_a_machine_that_is_an_hour_ahead_tells_the_time_of_the_store(
    mongodb_uri: str,
) -> None:
    async with mongo.connect(mongodb_uri) as client:
        clock = StoreClock(mongo.database(client, "gateway"), WrongClock())

        await clock.measure()

        assert abs(clock.now() - datetime.now(UTC)) < CLOSE
        assert clock.now().microsecond % 1000 == 0


async def test_a_clock_that_was_never_compared_is_that_of_the_machine(mongodb_uri: str) -> None:
    machine = FakeClock()
    async with mongo.connect(mongodb_uri) as client:
        clock = StoreClock(mongo.database(client, "gateway"), machine)

        await clock.sleep(3)

        assert clock.now() == machine.now()
        assert clock.monotonic() == machine.monotonic() == 3


async def test_a_store_that_is_away_leaves_the_clock_as_it_was() -> None:
    machine = FakeClock()
    uri = "mongodb://127.0.0.1:1/?directConnection=true&serverSelectionTimeoutMS=50"
    async with mongo.connect(uri) as client:
        clock = StoreClock(mongo.database(client, "gateway"), machine)

        with pytest.raises(Outage):
            await clock.measure()

        assert clock.now() == machine.now()


async def test_an_answer_that_took_long_tells_nothing(mongodb_uri: str) -> None:
    class Dozing(FakeClock):
        """A machine that stood still while the store answered."""

        def monotonic(self) -> float:
            """Be later by three seconds each time."""
            self.advance(3)
            return super().monotonic()

    machine = Dozing()
    async with mongo.connect(mongodb_uri) as client:
        clock = StoreClock(mongo.database(client, "gateway"), machine)

        with pytest.raises(Outage):
            await clock.measure()

        assert clock.now() == machine.now()


async def test_a_file_is_as_old_as_the_store_says(mongodb_uri: str) -> None:
    async with mongo.connect(mongodb_uri) as client:
        await client.drop_database("videos")
        database: Any = DatedDatabase(mongo.database(client, "videos"), LONG_AGO)
        writer = GridFSWriter(database, "video", "video")
        await writer.write(b"a video")

        await writer.commit()

        stored = await database["fs.files"].find_one({"_id": "video"})
        assert stored["uploadDate"] == LONG_AGO
