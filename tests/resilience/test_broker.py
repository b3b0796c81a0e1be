"""The broker goes, comes back empty, repeats itself and talks nonsense, and nothing is lost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pymongo import MongoClient

from . import broker
from .history import read_mails
from .rig import SERVICES, Rig
from .trial import Trial

BACK_SECONDS = 10.0
WORK_SECONDS = 3.0
"""How long a short conversion takes on a machine that is busy with tests."""
WIPES = 3
TIMES = 10
LATEST = 80


@pytest.fixture
def store(rig: Rig) -> Iterator[MongoClient[dict[str, Any]]]:
    """Look into the documents."""
    with closing(MongoClient[dict[str, Any]](rig.stack.mongodb_uri)) as client:
        yield client


async def test_what_was_accepted_without_a_broker_goes_on_soon_after_it_is_back(
    rig: Rig, trial: Trial
) -> None:
    await trial.ended(await trial.upload("short.mp4"))  # everybody is connected
    rig.stop_part("kafka")
    conversions = await trial.uploads(["short.mp4", "clip.mp4", "film.mp4"])
    await asyncio.sleep(WORK_SECONDS)

    rig.wipe_broker()
    rig.wait_until_ready("kafka")
    back = time.monotonic()
    ends = await trial.ended(*conversions)
    seconds = time.monotonic() - back

    assert ends == ["SUCCEEDED", "SUCCEEDED", "FAILED"]
    assert seconds < BACK_SECONDS + WORK_SECONDS
    assert await trial.findings() == []


async def test_a_broker_that_is_wiped_again_and_again_loses_nothing(rig: Rig, trial: Trial) -> None:
    conversions: list[str] = []
    for _ in range(WIPES):
        conversions += await trial.uploads(["short.mp4", "clip.mp4", "song.m4a"])
        await asyncio.to_thread(rig.wipe_broker)

    ends = await trial.ended(*conversions)

    assert ends == ["SUCCEEDED"] * len(conversions)
    assert await trial.findings() == []


async def test_services_that_start_without_a_broker_take_videos_and_convert_them_later(
    rig: Rig, trial: Trial
) -> None:
    rig.stop_part("kafka")
    for name in SERVICES:
        rig.kill(name)
    rig.wait_until_ready("auth", "gateway")

    conversions = await trial.uploads(["short.mp4", "noise.mp4"])
    rig.start_part("kafka")

    assert await trial.ended(*conversions) == ["SUCCEEDED", "FAILED"]
    assert await trial.findings() == []


async def test_ten_deliveries_of_everything_in_any_order_change_nothing(
    rig: Rig, trial: Trial, store: MongoClient[dict[str, Any]]
) -> None:
    rig.wipe_broker()  # only this test's messages are there
    conversions = await trial.uploads(["short.mp4", "clip.mp4", "film.mp4", "lecture.m4a"])
    assert await trial.caller.cancel(conversions[-1])
    await trial.ended(*conversions)
    assert await trial.findings() == []
    before = (claims(store, conversions), audio(store), len(read_mails(rig.stack.mailbox)))

    sent = await asyncio.to_thread(
        broker.repeat,
        rig.stack.kafka_bootstrap_servers,
        random.Random(time.time_ns()),
        times=TIMES,
        latest=LATEST,
    )
    # Whoever has answered this has read what was sent before it, in the partitions that it is in.
    later = await trial.uploads(["short.mp4"] * 4)
    await trial.ended(*later)
    await asyncio.sleep(WORK_SECONDS)

    assert sent >= TIMES * len(conversions)
    assert claims(store, conversions) == before[0]
    assert audio(store) - before[1] == audio(store, *later)
    assert await trial.findings() == []
    assert len(read_mails(rig.stack.mailbox)) == before[2] + len(later)


@pytest.mark.parametrize("kind", sorted(broker.POISONS))
async def test_poison_stops_nobody(rig: Rig, trial: Trial, kind: str) -> None:
    pids = [rig.state(name).pid for name in SERVICES]
    poison = broker.poison(kind, random.Random(time.time_ns()))

    await asyncio.to_thread(broker.publish, rig.stack.kafka_bootstrap_servers, poison)
    conversions = await trial.uploads(["short.mp4", "film.mp4"])

    assert await trial.ended(*conversions) == ["SUCCEEDED", "FAILED"]
    assert await trial.findings() == []
    assert [rig.state(name).pid for name in SERVICES] == pids


async def test_garbage_is_put_aside_with_the_reason(rig: Rig, trial: Trial) -> None:
    address = rig.stack.kafka_bootstrap_servers
    garbage = broker.poison("garbage", random.Random(time.time_ns()))

    await asyncio.to_thread(broker.publish, address, garbage)
    await trial.ended(*await trial.uploads(["short.mp4"] * 4))
    letters = await asyncio.to_thread(broker.read_all, address, [broker.DEAD_LETTERS])

    values = {letter.value for letter in letters}
    assert {message.value for message in garbage} <= values
    assert all(any("reason" in name for name, _ in letter.headers) for letter in letters)


def claims(
    store: MongoClient[dict[str, Any]], conversions: list[str]
) -> dict[str, tuple[str, int]]:
    """Tell the state and the fence of each claim: a new fence means that somebody converted."""
    found = store["converter"]["claims"].find({"_id": {"$in": conversions}})
    return {each["_id"]: (each["state"], each["fence"]) for each in found}


def audio(store: MongoClient[dict[str, Any]], *conversions: str) -> set[str]:
    """List the stored audio, of all or of some conversions."""
    mine = {"metadata.conversion_id": {"$in": conversions}} if conversions else {}
    return {each["_id"] for each in store["audio"]["fs.files"].find(mine, {"_id": 1})}
