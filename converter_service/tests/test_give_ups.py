"""The contract of `GiveUps`, over the fake and over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from converter_fakes import InMemoryGiveUps, order

from converter_service.adapters.mongo_give_ups import MongoGiveUps
from converter_service.ports import GiveUps
from tonearm_chassis import mongo
from tonearm_chassis.testing.clock import FakeClock

PER_HOUR = 3
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Limited:
    """What several workers share, and its time machine."""

    give_ups: GiveUps
    pass_time: Callable[[float], Awaitable[None]]

    async def take(self, number: int) -> bool:
        return await self.give_ups.take(order(number).conversion_id)


@pytest.fixture(params=["memory", "mongodb"])
async def limited(request: pytest.FixtureRequest) -> AsyncIterator[Limited]:
    if request.param == "memory":
        clock = FakeClock()

        async def pass_fake_time(seconds: float) -> None:
            clock.advance(seconds)

        yield Limited(InMemoryGiveUps(clock, PER_HOUR), pass_fake_time)
        return
    async with mongo.connect(request.getfixturevalue("mongodb_uri")) as client:
        await client.drop_database("converter")
        collection = mongo.database(client, "converter")["limits"]

        async def pass_time(seconds: float) -> None:
            for stored in await collection.find().to_list():
                earlier = [
                    {**each, "time_ms": int(each["time_ms"] - seconds * 1000)}
                    for each in stored["given_up"]
                ]
                await collection.update_one({"_id": stored["_id"]}, {"$set": {"given_up": earlier}})

        yield Limited(MongoGiveUps(collection, per_hour=PER_HOUR), pass_time)


async def test_no_more_than_so_many_are_given_up(limited: Limited) -> None:
    assert [await limited.take(number) for number in (1, 2, 3, 4)] == [True, True, True, False]


async def test_however_many_workers_ask_at_once(limited: Limited) -> None:
    answers = await asyncio.gather(*[limited.take(number) for number in range(8)])

    assert sum(answers) == PER_HOUR


async def test_a_repeat_is_answered_alike_and_counts_nothing(limited: Limited) -> None:
    assert [await limited.take(1) for _ in range(5)] == [True] * 5

    assert [await limited.take(number) for number in (2, 3, 4, 4, 2)] == [
        True, True, False, False, True,
    ]  # fmt: skip


async def test_after_an_hour_there_is_room_again(limited: Limited) -> None:
    await limited.take(1)
    await limited.pass_time(HOUR / 2)
    for number in (2, 3):
        await limited.take(number)
    assert not await limited.take(4)

    await limited.pass_time(HOUR / 2)

    assert await limited.take(4)
    assert not await limited.take(5)
