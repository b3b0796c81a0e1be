"""From a claim to its outcome, whatever happens on the way."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from converter_fakes import (
    LEASE_SECONDS,
    FakeEngine,
    FakeWorkshop,
    InMemoryAudioStore,
    InMemoryClaimStore,
    InMemoryVideoStore,
    RecordedProgress,
    order,
)

from converter_service.domain import (
    Claim,
    EngineFailure,
    Failed,
    FailureReason,
    NoAudio,
    Outcome,
    SourceAudio,
    Succeeded,
    audio_id,
)
from converter_service.ports import Standing
from converter_service.use_cases.convert_video import ConvertVideo, Equipment
from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import FakeClock


@dataclass(frozen=True, slots=True)
class World:
    """A converter and all that it touches."""

    clock: FakeClock
    claims: InMemoryClaimStore
    videos: InMemoryVideoStore
    audio: InMemoryAudioStore
    engine: FakeEngine
    workshop: FakeWorkshop
    progress: RecordedProgress
    convert: ConvertVideo

    async def claim(self, owner: str = "me") -> Claim:
        claim = await self.claims.claim(order(), owner)
        assert isinstance(claim, Claim)
        return claim

    def outcome(self) -> object:
        return self.claims.outcome(order().conversion_id)


class LosesTheAnswer(InMemoryClaimStore):
    """Claims that record every outcome and never say so."""

    async def finish(self, claim: Claim, outcome: Outcome) -> None:
        await super().finish(claim, outcome)
        raise Outage("claims: no answer")


@pytest.fixture
def world(tmp_path: Path) -> World:
    clock = FakeClock()
    claims, videos, audio = InMemoryClaimStore(clock), InMemoryVideoStore(), InMemoryAudioStore()
    engine, workshop, progress = FakeEngine(), FakeWorkshop(tmp_path), RecordedProgress()
    convert = ConvertVideo(
        Equipment(clock, claims, videos, audio, engine, workshop, progress, LEASE_SECONDS)
    )
    return World(clock, claims, videos, audio, engine, workshop, progress, convert)


async def test_a_conversion_stores_its_audio_and_says_so(world: World) -> None:
    claim = await world.claim()

    await world.convert(claim)

    outcome = world.outcome()
    assert isinstance(outcome, Succeeded)
    assert world.audio.files == {outcome.stored.audio_id: b"an MP3"}
    assert (outcome.seconds, outcome.peak_dbfs, outcome.engine) == (10.0, -3.0, "fake 1.0")
    assert world.claims.promised == [("ConversionStarted", 1), ("ConversionSucceeded", 1)]


async def test_progress_is_the_share_of_the_audio_that_is_done(world: World) -> None:
    await world.convert(await world.claim())

    assert world.progress.shares == [0.5, 1.0]


async def test_a_refusal_is_an_outcome_with_a_sentence(world: World) -> None:
    world.engine.failures = [NoAudio()]

    await world.convert(await world.claim())

    outcome = world.outcome()
    assert isinstance(outcome, Failed)
    assert outcome.reason == FailureReason.NO_AUDIO
    assert outcome.message == "The video has no audio track."
    assert world.audio.files == {}


async def test_a_lost_video_is_an_outcome(world: World) -> None:
    world.videos.video = b"another video"

    await world.convert(await world.claim())

    outcome = world.outcome()
    assert isinstance(outcome, Failed)
    assert outcome.reason == FailureReason.VIDEO_LOST


async def test_a_truncated_video_is_not_even_encoded(world: World) -> None:
    world.engine.source = SourceAudio("mov", "aac", 20.0, 10.0, 10.0, cut_off=True)

    await world.convert(await world.claim())

    outcome = world.outcome()
    assert isinstance(outcome, Failed)
    assert outcome.reason == FailureReason.TRUNCATED_VIDEO
    assert world.engine.encoded == 0


async def test_short_outages_are_waited_out(world: World) -> None:
    claim = await world.claim()
    world.claims.outages = world.videos.outages = world.audio.outages = 2

    await world.convert(claim)

    assert isinstance(world.outcome(), Succeeded)


async def test_a_long_outage_gives_the_claim_back_and_is_nobodys_fault(world: World) -> None:
    claim = await world.claim()
    world.videos.outages = 1000

    await world.convert(claim)

    assert world.outcome() is None
    world.clock.advance(10)
    assert (await world.claim("you")).engine_failures == 0


async def test_a_full_disk_is_an_outage_not_a_bad_video(world: World) -> None:
    world.engine.failures = [NoAudio()]
    world.workshop.full_from_look = 2

    await world.convert(await world.claim())

    assert world.outcome() is None


async def test_a_video_that_does_not_fit_is_not_copied(world: World, tmp_path: Path) -> None:
    world.workshop.full_from_look = 1

    await world.convert(await world.claim())

    assert world.outcome() is None
    assert set(world.workshop.wanted_bytes) == {order().size_bytes}
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_an_engine_failure_is_tried_again_by_whoever_claims_next(world: World) -> None:
    world.engine.failures = [EngineFailure("crash")]
    await world.convert(await world.claim())
    world.clock.advance(10)

    await world.convert(await world.claim("you"))

    assert isinstance(world.outcome(), Succeeded)


async def test_the_engine_may_fail_three_times(world: World) -> None:
    world.engine.failures = [EngineFailure("crash") for _ in range(3)]

    for number in range(4):
        await world.convert(await world.claim(f"worker-{number}"))
        world.clock.advance(10)

    outcome = world.outcome()
    assert isinstance(outcome, Failed)
    assert outcome.reason == FailureReason.ENGINE_FAILED


async def test_the_lease_is_kept_while_the_engine_runs(world: World) -> None:
    async def a_long_time() -> None:
        while world.clock.monotonic() < 10 * LEASE_SECONDS:
            await world.clock.sleep(1)

    world.engine.while_encoding = a_long_time

    await world.convert(await world.claim())

    assert isinstance(world.outcome(), Succeeded)


async def test_whoever_lost_the_claim_stops_and_leaves_nothing(world: World) -> None:
    async def overtaken() -> None:
        await world.claims.call_off(order().conversion_id)
        await asyncio.Event().wait()

    world.engine.while_encoding = overtaken

    await world.convert(await world.claim())

    assert world.outcome() is None
    assert world.audio.files == {}


async def test_who_loses_at_the_last_moment_removes_its_audio(world: World) -> None:
    claim = await world.claim()

    async def overtaken_after_storing() -> None:
        world.audio.files[claim.audio_id] = b"stored"
        await world.claims.call_off(order().conversion_id)

    world.engine.while_encoding = overtaken_after_storing

    await world.convert(claim)

    assert world.audio.files == {}


async def test_a_lease_that_cannot_be_renewed_is_given_up_in_time(world: World) -> None:
    gone: list[float] = []

    async def away() -> None:
        gone.append(world.clock.monotonic())
        world.claims.outages = 1000
        await asyncio.Event().wait()

    world.engine.while_encoding = away

    await world.convert(await world.claim())

    assert world.clock.monotonic() - gone[0] <= LEASE_SECONDS + LEASE_SECONDS / 3


async def test_audio_stays_when_only_the_answer_to_its_recording_was_lost(world: World) -> None:
    claims = LosesTheAnswer(world.clock)
    claim = await claims.claim(order(), "me")
    assert isinstance(claim, Claim)
    equipment = Equipment(
        world.clock,
        claims,
        world.videos,
        world.audio,
        world.engine,
        world.workshop,
        world.progress,
        LEASE_SECONDS,
    )

    await ConvertVideo(equipment)(claim)

    outcome = claims.outcome(order().conversion_id)
    assert isinstance(outcome, Succeeded)
    assert outcome.stored.audio_id in world.audio.files


async def test_a_new_holder_removes_the_audio_of_those_before(world: World) -> None:
    await world.claim("me")
    orphan = audio_id(order().conversion_id, 1)
    world.audio.files[orphan] = b"orphan"
    world.clock.advance(LEASE_SECONDS)

    await world.convert(await world.claim("you"))

    assert isinstance(world.outcome(), Succeeded)
    assert orphan not in world.audio.files


async def test_when_cancelled_the_claim_is_free_at_once(world: World) -> None:
    encoding = asyncio.Event()

    async def for_ever() -> None:
        encoding.set()
        await asyncio.Event().wait()

    world.engine.while_encoding = for_ever
    task = asyncio.create_task(world.convert(await world.claim()))
    await encoding.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert await world.claims.claim(order(), "you") == Claim(order(), 2, engine_failures=0)
    assert world.outcome() is not Standing.OVER
