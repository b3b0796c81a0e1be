"""Workers die, fall asleep and are told to stop, and no conversion is lost or ends twice."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from pymongo import MongoClient

from tonearm_local.leftovers import runs

from .conftest import LEASE_SECONDS
from .rig import CONVERTERS, GATEWAYS, SERVICES, Rig, eventually
from .trial import Trial, encoders

LONG = "longest.m4a"
CANCEL_SECONDS = 2.0
DRAIN_SECONDS = 15.0


@pytest.fixture
def store(rig: Rig) -> Iterator[MongoClient[dict[str, Any]]]:
    """Look into the documents."""
    with closing(MongoClient[dict[str, Any]](rig.stack.mongodb_uri)) as client:
        yield client


def files_of(store: MongoClient[dict[str, Any]], conversion: str) -> set[str]:
    """List the audio files of a conversion, whether anybody can see them or not."""
    mine = {"metadata.conversion_id": conversion}
    return {each["_id"] for each in store["audio"]["fs.files"].find(mine, {"_id": 1})}


def other_than(converter: str) -> str:
    """Name the other converter."""
    (other,) = set(CONVERTERS) - {converter}
    return other


async def test_another_worker_goes_on_soon_after_one_is_killed(rig: Rig, trial: Trial) -> None:
    conversion = await trial.upload(LONG)
    worker = await trial.worker_of(conversion)
    children = encoders(rig, worker)

    rig.kill(worker)
    rig.stop_part(worker)
    eventually(
        lambda: encoders(rig, other_than(worker)),
        "the other works on it",
        seconds=LEASE_SECONDS + 5,
    )

    assert children
    assert not any(runs(child) for child in children)
    assert await trial.ended(conversion) == ["SUCCEEDED"]
    assert await trial.findings() == []


async def test_nothing_that_a_worker_writes_after_its_lease_is_taken(
    rig: Rig, trial: Trial, store: MongoClient[dict[str, Any]]
) -> None:
    conversion = await trial.upload(LONG)
    worker = await trial.worker_of(conversion)

    with rig.frozen(worker):
        ended = await trial.ended(conversion)
        await asyncio.sleep(3 * LEASE_SECONDS)
        before = store["converter"]["claims"].find_one({"_id": conversion})
        audio = files_of(store, conversion)
    awake = time.monotonic()
    # It has something to write, and notices within a heartbeat that it may not.
    eventually(lambda: not encoders(rig, worker), "its ffmpeg is gone", seconds=LEASE_SECONDS)
    await asyncio.sleep(max(0.0, 2 * LEASE_SECONDS - (time.monotonic() - awake)))
    after = store["converter"]["claims"].find_one({"_id": conversion})
    assert ended == ["SUCCEEDED"]
    assert before is not None
    assert after is not None
    assert (after["fence"], after["outcome"]) == (before["fence"], before["outcome"])
    assert len(audio) == 1
    assert files_of(store, conversion) == audio
    assert await trial.findings() == []


async def test_a_cancelled_conversion_has_no_ffmpeg_two_seconds_later(
    rig: Rig, trial: Trial
) -> None:
    conversion = await trial.upload(LONG)
    worker = await trial.worker_of(conversion)
    children = encoders(rig, worker)

    asked = time.monotonic()
    assert await trial.caller.cancel(conversion)
    eventually(
        lambda: not any(runs(child) for child in children),
        "ffmpeg is gone",
        seconds=CANCEL_SECONDS - (time.monotonic() - asked),
    )

    assert children
    assert await trial.ended(conversion) == ["CANCELLED"]
    assert await trial.findings() == []


async def test_a_waiting_conversion_is_cancelled_without_a_worker(rig: Rig, trial: Trial) -> None:
    for name in CONVERTERS:
        rig.stop_part(name)
    conversion = await trial.upload("clip.mp4")

    assert await trial.caller.cancel(conversion)
    for name in CONVERTERS:
        rig.start_part(name)
    await trial.ended(*await trial.uploads(["short.mp4"]))

    assert await trial.ended(conversion) == ["CANCELLED"]
    assert await trial.findings() == []


async def test_a_rolling_restart_in_any_order_fails_nobody(rig: Rig, trial: Trial) -> None:
    order = random.SystemRandom().sample(SERVICES, len(SERVICES))
    rolling = asyncio.create_task(asyncio.to_thread(roll, rig, order))

    conversions: list[str] = []
    while not rolling.done():
        conversions += await trial.uploads(["short.mp4", "film.mp4"])
        await trial.ended(*conversions[-2:])
    await rolling

    assert len(conversions) >= len(order), order
    assert await trial.findings() == [], order


def roll(rig: Rig, order: list[str]) -> None:
    """Restart one service after the other, each when the one before is ready."""
    for name in order:
        rig.stop_part(name)
        rig.start_part(name)
        rig.wait_until_ready(name)


@pytest.mark.parametrize("name", [GATEWAYS[0], CONVERTERS[0], "notifier"])
def test_a_service_ends_soon_after_sigterm(rig: Rig, name: str) -> None:
    pid = rig.signal(name, signal.SIGTERM)

    gone: Callable[[], bool] = lambda: rig.state(name).pid != pid  # noqa: E731 - named for its type
    eventually(gone, f"{name} has ended", seconds=DRAIN_SECONDS)
