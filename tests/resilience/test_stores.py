"""Stores go away, come back, answer late or not at all, and fill up; nothing is lost by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from .conftest import LEASE_SECONDS, Disks
from .disks import full
from .fault_proxy import FAIR, Weather
from .rig import CONVERTERS, GATEWAYS, Rig, door
from .trial import Trial

AWAY_SECONDS = 3.0
BAD_SECONDS = 2.5
FULL_SECONDS = 5.0
LOAD = ("clip.mp4", "song.m4a", "truncated.mp4")
ENDS = ["SUCCEEDED", "SUCCEEDED", "FAILED"]

WEATHERS = {
    "latency": Weather(latency_seconds=0.15),
    "cut": Weather(cut_after_bytes=30_000),
    "black-hole": Weather(black_hole=True),
    "refuse": Weather(refuse=True),
}


def kill(rig: Rig, name: str) -> None:
    """Kill -9 it."""
    rig.kill(name)


def restart(rig: Rig, name: str) -> None:
    """Stop it, and start it again after a while."""
    rig.stop_part(name)
    asyncio.run(asyncio.sleep(AWAY_SECONDS))
    rig.start_part(name)


@pytest.mark.parametrize("how", [kill, restart])
async def test_the_document_store_may_go_away(
    rig: Rig, trial: Trial, how: Callable[[Rig, str], None]
) -> None:
    conversions = await trial.uploads(LOAD)
    gone = asyncio.create_task(asyncio.to_thread(how, rig, "mongodb"))

    # Those who upload meanwhile are told to come again, and do.
    conversions += await trial.uploads(LOAD)
    await gone

    assert await trial.ended(*conversions) == ENDS * 2
    assert await trial.findings() == []


@pytest.mark.parametrize("kind", sorted(WEATHERS))
async def test_bad_weather_before_the_document_store_passes(
    rig: Rig, trial: Trial, kind: str
) -> None:
    conversions = await trial.uploads(LOAD)

    for name in (*GATEWAYS, *CONVERTERS, "notifier"):
        rig.proxies.become(door("mongodb", name), WEATHERS[kind])
    late = asyncio.create_task(trial.uploads(LOAD))
    await asyncio.sleep(BAD_SECONDS)
    rig.proxies.heal()
    conversions += await late

    assert await trial.ended(*conversions) == ENDS * 2
    assert await trial.findings() == []


async def test_connections_to_all_stores_may_be_reset(rig: Rig, trial: Trial) -> None:
    conversions = await trial.uploads(LOAD)

    cut = [rig.proxies.reset(name) for name in rig.doors for _ in range(3)]

    assert sum(cut) > len(rig.doors)
    assert await trial.ended(*conversions) == ENDS
    assert await trial.findings() == []


async def test_a_worker_that_is_cut_off_loses_its_conversion_to_another(
    rig: Rig, trial: Trial
) -> None:
    conversion = await trial.upload("longest.m4a")
    worker = await trial.worker_of(conversion)

    rig.proxies.become(door("mongodb", worker), Weather(black_hole=True))
    ended = await trial.ended(conversion)
    await asyncio.sleep(LEASE_SECONDS)
    rig.proxies.become(door("mongodb", worker), FAIR)

    assert ended == ["SUCCEEDED"]
    assert await trial.findings() == []


async def test_a_full_scratch_disk_only_delays(rig: Rig, trial: Trial, disks: Disks) -> None:
    if not disks.scratch:
        pytest.skip("only root may mount the small disks that this fills up")
    first, second = disks.scratch
    with full(first), full(second):
        conversions = await trial.uploads(["clip.mp4", "film.mp4"])
        await asyncio.sleep(FULL_SECONDS)
        meanwhile = [await trial.caller.get(each) for each in conversions]

    assert [seen.state in ("QUEUED", "RUNNING") for seen in meanwhile if seen] == [True, True]
    assert await trial.ended(*conversions) == ["SUCCEEDED", "FAILED"]
    assert await trial.findings() == []
    for name in CONVERTERS:
        left = [file for file in (rig.stack.directory.scratch / name).rglob("*") if file.is_file()]
        assert left == []


async def test_a_store_that_was_full_loses_nothing_of_what_was_accepted(
    rig: Rig, trial: Trial, disks: Disks
) -> None:
    if not disks.store:
        pytest.skip("only root may mount the small disk that this fills up")
    before = await trial.uploads(["song.m4a"])
    with full(disks.store[0]):
        late = asyncio.create_task(trial.uploads(["clip.mp4", "short.mp4"]))
        await asyncio.sleep(FULL_SECONDS)
    # WiredTiger panics when it cannot write its log. MongoDB ends then, for somebody to start it
    # again; the embedded store stays, and answers nothing any more.
    rig.kill("mongodb")

    conversions = before + await late
    assert await trial.ended(*conversions) == ["SUCCEEDED"] * 3
    assert await trial.findings() == []
