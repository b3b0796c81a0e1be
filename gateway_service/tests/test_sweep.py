"""What is thrown away, when, and that nothing which is needed ever is.

A gateway that is killed between two steps leaves what `halfway` leaves: some call of a port never
comes. The next one that sweeps has to find it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from gateway_fakes import ADA, AUDIO, InMemoryConversionStore
from gateway_stores import InMemoryVideoLedger
from gateway_world import IDLE_SECONDS, VIDEO, Kept, World, declared, ids_of, pieces

from gateway_service import domain
from gateway_service.domain import (
    Conversion,
    DeletionConfirmed,
    Failed,
    Failure,
    Notified,
    Party,
    State,
    Succeeded,
    VideoId,
)
from tonearm_chassis.errors import Outage, StorageFull
from tonearm_chassis.testing.clock import START

REQUEST_ID = "3f0f1f6e-5f0a-4c5e-9d5c-1b2f6a7c8d9e"
SUCCEEDED = Succeeded(1, AUDIO, START)
FAILED = Failed(1, Failure("NO_AUDIO", "The video has no sound."), START)
FORGOTTEN = (DeletionConfirmed(Party.CONVERTER), DeletionConfirmed(Party.NOTIFIER))


class Killed(BaseException):
    """The process ends here; nothing of its own runs any more."""


class Life:
    """How long a gateway lives: until before, or right after, the n-th call of a method."""

    def __init__(self, method: str, *, after: bool, number: int = 1) -> None:
        """Name the method with its port: "ledger.store"."""
        self._method = method
        self._after = after
        self._left = number

    async def call(self, name: str, method: Callable[[], Awaitable[object]]) -> object:
        """Call a method, if there is any life left."""
        if self._left == 0:
            raise Killed
        if name != self._method or self._left > 1:
            self._left -= name == self._method
            return await method()
        if self._after:
            await method()
        self._left = 0
        raise Killed


class Mortal:
    """A port as a gateway has it for as long as it lives."""

    def __init__(self, port: object, name: str, life: Life) -> None:
        """Live `life`."""
        self._port = port
        self._name = name
        self._life = life

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the port has it
        value = getattr(self._port, name)
        if name == "begin" and self._name == "videos":
            return lambda video_id: Mortal(value(video_id), "sink", self._life)
        if not asyncio.iscoroutinefunction(value):
            return value

        async def call(*arguments: object) -> object:
            return await self._life.call(f"{self._name}.{name}", lambda: value(*arguments))

        return call


def mortal(kept: Kept, method: str, *, after: bool, number: int = 1) -> World:
    """Make a gateway that dies there."""
    life = Life(method, after=after, number=number)
    ports: dict[str, Any] = {
        name: Mortal(getattr(kept, name), name, life)
        for name in ("conversions", "ledger", "videos", "audio")
    }
    return World(replace(kept, **ports))


@pytest.fixture
def world() -> World:
    return World()


async def dies(work: Awaitable[object]) -> None:
    with pytest.raises(Killed):
        await work


# Uploads


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "method",
    ["ledger.begin", "sink.write", "ledger.touch", "sink.commit", "ledger.store"],
)
async def test_an_upload_that_died_half_way_is_swept(
    world: World, method: str, *, after: bool
) -> None:
    dying = mortal(world.kept, method, after=after)

    await dies(dying.upload(ADA, declared(), slowly(dying)))
    await world.swept(seconds=IDLE_SECONDS + 1)
    await world.swept(days=2)

    assert world.is_empty()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("method", ["sink.abort", "ledger.remove"])
async def test_a_refused_upload_that_died_while_it_cleaned_up_is_swept(
    world: World, method: str, *, after: bool
) -> None:
    dying = mortal(world.kept, method, after=after)

    await dies(dying.upload(ADA, declared(), pieces(VIDEO[:-1])))
    await world.swept(seconds=IDLE_SECONDS + 1)

    assert world.is_empty()


@pytest.mark.parametrize("after", [False, True])
async def test_a_repeated_upload_that_died_while_it_cleaned_up_is_swept(
    world: World, *, after: bool
) -> None:
    first = await world.uploaded(REQUEST_ID)

    await dies(mortal(world.kept, "ledger.release", after=after).uploaded(REQUEST_ID))
    await world.swept(seconds=IDLE_SECONDS + 1)

    assert list(world.videos.videos) == list(world.ledger.entries) == [first.video.id]


@pytest.mark.parametrize("after", [False, True])
async def test_an_upload_that_died_at_its_insertion_is_swept_or_a_conversion(
    world: World, *, after: bool
) -> None:
    dying = mortal(world.kept, "conversions.add", after=after)

    await dies(dying.upload(ADA, declared(), pieces()))
    await world.swept(seconds=IDLE_SECONDS + 1)

    living = [each for each in world.conversions.rows.values() if not each.is_deleted]
    assert len(living) == len(world.videos.videos) == len(world.ledger.entries) == int(after)
    assert all(entry.unsettled == () for entry in world.ledger.entries.values())


async def test_bytes_without_an_end_are_swept(world: World) -> None:
    await world.ledger.begin(VideoId("half"), START)
    await world.videos.begin(VideoId("half")).write(VIDEO[:10])

    await world.swept(seconds=IDLE_SECONDS - 1)
    assert world.videos.halves
    await world.swept(seconds=1)

    assert world.is_empty()


async def slowly(world: World) -> AsyncIterator[bytes]:
    """Send a byte every half hour, for longer than an upload may be idle."""
    for number in range(len(VIDEO)):
        world.kept.clock.advance(IDLE_SECONDS / 2)
        yield VIDEO[number : number + 1]


async def swept_meanwhile(world: World) -> AsyncIterator[bytes]:
    async for piece in slowly(world):
        await world.sweeper.sweep()
        yield piece


async def test_a_slow_upload_is_never_swept(world: World) -> None:
    own = await world.upload(ADA, declared(), swept_meanwhile(world))

    assert world.videos.videos == {own.video.id: VIDEO}


async def standing_still(world: World) -> AsyncIterator[bytes]:
    yield VIDEO[:50]
    await world.swept(seconds=IDLE_SECONDS)
    yield VIDEO[50:]


async def ending_late(world: World) -> AsyncIterator[bytes]:
    yield VIDEO
    await world.swept(seconds=IDLE_SECONDS)


@pytest.mark.parametrize("sender", [standing_still, ending_late])
async def test_an_upload_that_was_given_up_ends_with_an_outage_and_leaves_nothing(
    world: World, sender: Callable[[World], AsyncIterator[bytes]]
) -> None:
    with pytest.raises(Outage):
        await world.upload(ADA, declared(), sender(world))

    assert world.is_empty()


class LateStore(InMemoryConversionStore):
    """A store that is asked so late that the sweeper has been there before."""

    before: Callable[[], Awaitable[None]] | None = None

    async def add(self, conversion: Conversion) -> Conversion:
        if self.before is not None:
            await self.before()
        return await super().add(conversion)


@pytest.mark.parametrize("request_id", ["", REQUEST_ID])
async def test_a_conversion_that_was_forestalled_is_never_accepted(request_id: str) -> None:
    store = LateStore()
    world = World(Kept(store))

    async def stopped_for_long() -> None:
        await world.swept(seconds=IDLE_SECONDS + 1)

    store.before = stopped_for_long
    with pytest.raises(Outage):
        await world.uploaded(request_id)
    store.before = None
    again = await world.uploaded(request_id)

    assert list(world.videos.videos) == [again.video.id]
    assert [each.id for each in store.rows.values() if not each.is_deleted] == [again.id]


async def test_a_retry_that_was_forestalled_is_never_accepted() -> None:
    store = LateStore()
    world = World(Kept(store))
    own = await world.told(await world.uploaded(), FAILED)

    async def stopped_for_long() -> None:
        await world.swept(seconds=IDLE_SECONDS + 1)

    store.before = stopped_for_long
    with pytest.raises(Outage):
        await world.retry(ADA, own.id, "")

    assert world.ledger.entries[own.video.id].users == (own.id,)


async def test_a_full_store_keeps_nothing_and_takes_the_next_one_when_there_is_room(
    world: World,
) -> None:
    world.videos.full = True
    with pytest.raises(StorageFull):
        await world.uploaded()
    assert world.is_empty()

    world.videos.full = False

    assert (await world.uploaded()).state is State.QUEUED


# Videos


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED])
async def test_a_video_is_kept_for_a_day_after_the_end(world: World, end: domain.Change) -> None:
    await world.told(await world.uploaded(), end)

    await world.swept(hours=24, seconds=-1)
    assert len(world.videos.videos) == 1
    await world.swept(seconds=1)

    assert world.videos.videos == {}
    assert world.ledger.entries == {}


async def test_the_video_of_a_conversion_under_way_is_kept_for_ever(world: World) -> None:
    own = await world.uploaded()

    for _ in range(3):
        await world.swept(days=365)

    assert list(world.videos.videos) == [own.video.id]


async def test_a_video_is_kept_for_the_last_of_its_users(world: World) -> None:
    own = await world.told(await world.uploaded(), FAILED)
    await world.swept(hours=23)
    new = await world.retry(ADA, own.id, "")

    await world.swept(hours=2)
    assert world.ledger.entries[own.video.id].users == (new.id,)
    await world.told(new, FAILED)
    await world.swept(hours=23)
    assert len(world.videos.videos) == 1
    await world.swept(hours=1)

    assert world.videos.videos == {}


@pytest.mark.parametrize("after", [False, True])
async def test_a_retry_that_died_at_its_insertion_gives_the_video_back(
    world: World, *, after: bool
) -> None:
    own = await world.told(await world.uploaded(), FAILED)
    dying = mortal(world.kept, "ledger.take", after=after)

    await dies(dying.retry(ADA, own.id, ""))
    await world.swept(hours=25)

    assert world.videos.videos == {}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "method",
    [
        "conversions.done_with_video",
        "ledger.release",
        "conversions.video_released",
        "ledger.discarded",
        "videos.delete",
        "ledger.remove",
        "conversions.done_with_audio",
        "audio.delete",
        "conversions.audio_deleted",
    ],
)
async def test_whoever_sweeps_after_a_sweeper_that_died_finishes_its_work(
    world: World, method: str, *, after: bool
) -> None:
    own = await world.told(await world.uploaded(), SUCCEEDED)
    world.kept.clock.advance(31 * 86400)

    await dies(mortal(world.kept, method, after=after).sweeper.sweep())
    await world.swept()

    assert (world.videos.videos, world.ledger.entries, world.audio.audio) == ({}, {}, {})
    row = world.conversions.rows[own.id]
    assert (row.state, row.video_released, row.audio_expired) == (State.SUCCEEDED, True, True)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "method",
    ["ledger.unsettled", "conversions.forestall", "ledger.release"],
)
async def test_whoever_settles_after_a_sweeper_that_died_finishes_its_work(
    world: World, method: str, *, after: bool
) -> None:
    await dies(mortal(world.kept, "conversions.add", after=False).upload(ADA, declared(), pieces()))
    world.kept.clock.advance(IDLE_SECONDS + 1)

    await dies(mortal(world.kept, method, after=after).sweeper.sweep())
    await world.swept()

    assert (world.videos.videos, world.ledger.entries) == ({}, {})


async def test_several_may_sweep_at_once(world: World) -> None:
    twin = World(world.kept)
    await world.told(await world.uploaded(), SUCCEEDED)
    kept = await world.uploaded()
    world.kept.clock.advance(31 * 86400)

    await asyncio.gather(*(each.sweeper.sweep() for each in (world, twin, world, twin)))

    assert list(world.videos.videos) == [kept.video.id]
    assert world.audio.audio == {}


# Audio


async def test_audio_is_kept_for_thirty_days(world: World) -> None:
    own = await world.told(await world.uploaded(), SUCCEEDED)

    await world.swept(days=30, seconds=-1)
    assert world.audio.audio
    assert (await world.download(*ids_of(own))).audio == AUDIO
    await world.swept(seconds=1)

    assert world.audio.audio == {}
    assert world.conversions.rows[own.id].state is State.SUCCEEDED
    with pytest.raises(domain.AudioExpired):
        await world.download(*ids_of(own))


async def test_audio_has_expired_when_its_time_is_over_swept_or_not(world: World) -> None:
    own = await world.told(await world.uploaded(), SUCCEEDED)

    world.kept.clock.advance(30 * 86400)

    with pytest.raises(domain.AudioExpired):
        await world.download(*ids_of(own))


async def test_audio_that_goes_while_it_is_asked_for_is_refused_with_the_true_reason(
    world: World,
) -> None:
    own = await world.told(await world.uploaded(), SUCCEEDED)
    download = await world.download(*ids_of(own))

    await world.delete(*ids_of(own))
    world.audio.audio.clear()

    with pytest.raises(domain.UnknownConversion):
        await anext(download.pieces)


# Tombstones


async def test_a_deleted_conversions_video_goes_at_once(world: World) -> None:
    own = await world.uploaded()

    await world.delete(*ids_of(own))
    assert world.woken.count == 1
    await world.swept()

    assert world.videos.videos == {}
    assert world.ledger.entries == {}


async def test_a_tombstone_is_kept_for_a_day(world: World) -> None:
    own = await world.uploaded(REQUEST_ID)
    await world.delete(*ids_of(own))
    await world.told(own, *FORGOTTEN)

    await world.swept(hours=24, seconds=-1)
    with pytest.raises(domain.ConversionDeleted):
        await world.uploaded(REQUEST_ID)
    await world.swept(seconds=1)

    assert world.conversions.rows == {}
    assert (await world.uploaded(REQUEST_ID)).state is State.QUEUED


@pytest.mark.parametrize("confirmed", [(), FORGOTTEN[:1], FORGOTTEN[1:]])
async def test_a_tombstone_is_kept_until_all_have_forgotten(
    world: World, confirmed: tuple[domain.Change, ...]
) -> None:
    own = await world.uploaded()
    await world.delete(*ids_of(own))
    await world.told(own, *confirmed)

    await world.swept(days=365)

    assert own.id in world.conversions.rows


async def test_news_of_what_was_forgotten_brings_nothing_back(world: World) -> None:
    own = await world.uploaded()
    await world.delete(*ids_of(own))
    await world.told(own, *FORGOTTEN)
    await world.swept(days=2)

    for change in (SUCCEEDED, Notified(), *FORGOTTEN):
        await world.apply(own.id, change)

    assert world.conversions.rows == {}


@pytest.mark.parametrize("after", [False, True])
async def test_a_deletion_that_died_at_its_write_is_done_or_not(
    world: World, *, after: bool
) -> None:
    own = await world.uploaded()

    await dies(mortal(world.kept, "conversions.replace", after=after).delete(*ids_of(own)))
    await world.swept()

    assert world.conversions.rows[own.id].is_deleted is after
    assert (world.videos.videos == {}) is after


# Orphans, and what is older than the ledger


async def test_bytes_that_nobody_knows_are_swept(world: World) -> None:
    own = await world.uploaded()
    world.videos.videos |= {VideoId("stray"): VIDEO, VideoId("fresh"): VIDEO}
    world.videos.ages = {VideoId("stray"): IDLE_SECONDS, own.video.id: IDLE_SECONDS}

    await world.swept()

    del world.videos.videos[VideoId("fresh")]
    assert list(world.videos.videos) == [own.video.id]


async def test_a_video_that_is_older_than_the_ledger_is_adopted(world: World) -> None:
    own = await world.uploaded()
    world.ledger.entries.clear()
    world.videos.ages[own.video.id] = IDLE_SECONDS

    await world.swept()
    assert world.ledger.entries[own.video.id].users == (own.id,)
    await world.told(own, FAILED)
    await world.swept(hours=24)

    assert world.videos.videos == {}


async def test_what_ended_before_anybody_counted_is_kept_from_its_last_sign(world: World) -> None:
    own = await world.told(await world.uploaded(), SUCCEEDED)
    world.conversions.rows[own.id] = replace(own, video_expire_time=None, audio_expire_time=None)

    await world.swept()
    assert world.conversions.rows[own.id].audio_expire_time == own.audio_expire_time
    await world.swept(days=31)

    assert (world.videos.videos, world.audio.audio) == ({}, {})


# Outages


class BrokenLedger(InMemoryVideoLedger):
    """A ledger that cannot be listed at the moment."""

    async def idle(self, before: object, limit: int) -> Any:  # noqa: ANN401 - it never answers
        raise Outage(f"ledger: {before} {limit}")


async def test_an_outage_stops_one_step_only() -> None:
    world = World(Kept(ledger=BrokenLedger()))
    await world.told(await world.uploaded(), SUCCEEDED)

    await world.swept(days=31)

    assert (world.videos.videos, world.audio.audio) == ({}, {})


async def test_the_sweeper_runs_until_it_is_stopped() -> None:
    world, stopping = World(), asyncio.Event()
    own = await world.uploaded()
    running = asyncio.create_task(world.sweeper.run(stopping))
    await asyncio.sleep(0)
    await world.delete(*ids_of(own))

    world.alarm.wake()
    for _ in range(100):
        await asyncio.sleep(0)
    assert world.videos.videos == {}
    stopping.set()

    await asyncio.wait_for(running, 5)
