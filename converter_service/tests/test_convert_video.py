"""From a claim to its outcome, whatever happens on the way."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from converter_fakes import (
    LEASE_SECONDS,
    FakeEngine,
    FakeWorkshop,
    InMemoryAudioStore,
    InMemoryCheckpointStore,
    InMemoryClaimStore,
    InMemoryGiveUps,
    InMemoryVideoStore,
    RecordedProgress,
    order,
    source_of,
)

from converter_service.domain import (
    AttemptLimits,
    Attempts,
    AudioId,
    Claim,
    ConversionId,
    Ending,
    EngineFailure,
    Failed,
    FailureReason,
    NoAudio,
    Outcome,
    SourceAudio,
    StoredAudio,
    Succeeded,
    Waveform,
    work_of,
)
from converter_service.ports import Standing
from converter_service.use_cases.convert_video import ConvertVideo, Equipment
from converter_service.use_cases.suspicion import Suspicion
from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import FakeClock


@dataclass(frozen=True, slots=True)
class World:
    """A converter and all that it touches."""

    clock: FakeClock
    claims: InMemoryClaimStore
    videos: InMemoryVideoStore
    audio: InMemoryAudioStore
    checkpoints: InMemoryCheckpointStore
    engine: FakeEngine
    workshop: FakeWorkshop
    progress: RecordedProgress
    suspicion: Suspicion
    give_ups: InMemoryGiveUps
    convert: ConvertVideo

    async def claim(self, owner: str = "me", number: int = 1) -> Claim:
        claim = await self.claims.claim(order(number), owner)
        assert isinstance(claim, Claim)
        return claim

    def equipment(self) -> Equipment:
        return Equipment(
            self.clock,
            self.claims,
            self.videos,
            self.audio,
            self.checkpoints,
            self.engine,
            self.workshop,
            self.progress,
            self.suspicion,
            self.give_ups,
            LEASE_SECONDS,
        )

    async def kept(self, number: int) -> None:
        """Wait until a chunk is kept."""
        while number not in self.checkpoints.numbers():  # noqa: ASYNC110 - another task's doing
            await asyncio.sleep(0)

    async def fetched(self, directory: Path) -> int:
        """Count the chunks that are kept."""
        work = work_of(order(), self.engine.name)
        return await self.checkpoints.fetch(order().conversion_id, work, directory)

    def outcome(self) -> object:
        return self.claims.outcome(order().conversion_id)


class LosesTheAnswer(InMemoryClaimStore):
    """Claims that record every outcome and never say so."""

    async def finish(self, claim: Claim, outcome: Outcome, *, letter_reason: str = "") -> None:
        await super().finish(claim, outcome, letter_reason=letter_reason)
        raise Outage("claims: no answer")


@pytest.fixture
def world(tmp_path: Path) -> World:
    clock = FakeClock()
    claims, videos, audio = InMemoryClaimStore(clock), InMemoryVideoStore(), InMemoryAudioStore()
    engine, workshop, progress = FakeEngine(), FakeWorkshop(tmp_path), RecordedProgress()
    suspicion, give_ups = Suspicion(clock), InMemoryGiveUps(clock, per_hour=1)
    stores = (claims, videos, audio, InMemoryCheckpointStore(clock))
    tools = (clock, *stores, engine, workshop, progress, suspicion, give_ups)
    convert = ConvertVideo(Equipment(*tools, LEASE_SECONDS))
    return World(*tools, convert)


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
    world.engine.source = source_of(SourceAudio("mov", "aac", 20.0, 10.0, 10.0, cut_off=True))

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
    assert (await world.claim("you")).attempts == Attempts(outages=1)


async def test_a_full_disk_is_an_outage_not_a_bad_video(world: World) -> None:
    world.engine.failures = [NoAudio()]
    world.workshop.full_from_look = 2

    await world.convert(await world.claim())

    assert world.outcome() is None
    assert world.claims.attempts(order().conversion_id) == Attempts(outages=1, shortages=1)


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
    others: set[object] = set()

    async def a_long_time() -> None:
        until = world.clock.monotonic() + 10 * LEASE_SECONDS
        while world.clock.monotonic() < until:
            await world.clock.sleep(1)
            others.add(await world.claims.claim(order(), "you"))

    world.engine.while_encoding = a_long_time

    await world.convert(await world.claim())

    assert others == {Standing.HELD}
    assert isinstance(world.outcome(), Succeeded)


async def test_whoever_lost_the_claim_stops_and_leaves_nothing(world: World) -> None:
    async def overtaken() -> None:
        await world.claims.call_off(order().conversion_id, Ending.CANCELLED)
        await asyncio.Event().wait()

    world.engine.while_encoding = overtaken

    await world.convert(await world.claim())

    assert world.outcome() is None
    assert world.audio.files == {}


async def test_who_loses_at_the_last_moment_removes_its_audio(world: World) -> None:
    claim = await world.claim()

    class Overtaken(InMemoryAudioStore):
        async def put(
            self, audio_id: AudioId, claim: Claim, source: Path, waveform: Waveform | None = None
        ) -> StoredAudio:
            stored = await super().put(audio_id, claim, source, waveform)
            await world.claims.call_off(claim.order.conversion_id, Ending.CANCELLED)
            return stored

    audio = Overtaken()

    await ConvertVideo(replace(world.equipment(), audio=audio))(claim)

    assert len(audio.asked_for) == 1
    assert audio.files == {}


async def test_an_attempt_to_store_that_failed_half_way_harms_no_later_one(world: World) -> None:
    world.audio.outages = 2

    await world.convert(await world.claim())

    assert isinstance(world.outcome(), Succeeded)
    assert len(set(world.audio.asked_for)) == 3


async def test_the_work_goes_on_while_the_store_is_away_for_longer_than_a_lease(
    world: World,
) -> None:
    async def away() -> None:
        world.claims.outages = 10**6
        until = world.clock.monotonic() + 10 * LEASE_SECONDS
        while world.clock.monotonic() < until:
            await world.clock.sleep(1)
        world.claims.outages = 0

    world.engine.while_encoding = away

    await world.convert(await world.claim())

    assert isinstance(world.outcome(), Succeeded)


async def test_an_outcome_waits_ten_minutes_for_the_store(world: World) -> None:
    claim = await world.claim()
    asked: list[float] = []

    class Away(InMemoryAudioStore):
        async def put(
            self, audio_id: AudioId, claim: Claim, source: Path, waveform: Waveform | None = None
        ) -> StoredAudio:
            asked.append(world.clock.monotonic())
            if world.clock.monotonic() < asked[0] + 590:
                raise Outage("audio: away")
            return await super().put(audio_id, claim, source, waveform)

    await ConvertVideo(replace(world.equipment(), audio=Away()))(claim)

    assert isinstance(world.outcome(), Succeeded)
    assert len(asked) > 50


async def test_a_holder_notices_within_a_second_and_looking_is_not_renewing(world: World) -> None:
    gone: list[float] = []

    async def overtaken() -> None:
        await world.claims.call_off(order().conversion_id, Ending.CANCELLED)
        gone.append(world.clock.monotonic())
        await asyncio.Event().wait()

    world.engine.while_encoding = overtaken

    await world.convert(await world.claim())

    assert world.clock.monotonic() - gone[0] <= 1.0


async def test_audio_stays_when_only_the_answer_to_its_recording_was_lost(world: World) -> None:
    claims = LosesTheAnswer(world.clock)
    claim = await claims.claim(order(), "me")
    assert isinstance(claim, Claim)

    await ConvertVideo(replace(world.equipment(), claims=claims))(claim)

    outcome = claims.outcome(order().conversion_id)
    assert isinstance(outcome, Succeeded)
    assert outcome.stored.audio_id in world.audio.files


async def test_a_new_holder_removes_the_audio_of_those_before(world: World) -> None:
    orphan = await world.claims.name_audio(await world.claim("me"))
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
    assert (await world.claim("you")).attempts == Attempts()
    assert world.outcome() is not Standing.OVER


async def exhaust(world: World, attempts: Attempts) -> None:
    claim = replace(await world.claim(), attempts=attempts)
    await world.convert(claim)


@pytest.mark.parametrize(
    ("attempts", "reason"),
    [
        (Attempts(engine_failures=3), FailureReason.ENGINE_FAILED),
        (Attempts(losses=6, losses_alone=4), FailureReason.ENGINE_FAILED),
        (Attempts(outages=50), FailureReason.ENGINE_FAILED),
        (Attempts(outages=50, shortages=50), FailureReason.STORAGE_FULL),
    ],
)
async def test_after_too_many_attempts_it_fails_with_a_dead_letter(
    world: World, attempts: Attempts, reason: FailureReason
) -> None:
    await exhaust(world, attempts)

    outcome = world.outcome()
    assert isinstance(outcome, Failed)
    assert outcome.reason == reason
    assert world.claims.promised == [("ConversionFailed", 1), ("dead-letter", 0)]
    assert world.claims.letters[0].startswith(f"{reason}: ")


@pytest.mark.parametrize(
    "attempts", [Attempts(2, 9, 49, 49, 3), Attempts(engine_failures=2), Attempts(losses=70)]
)
async def test_before_that_it_is_tried_again(world: World, attempts: Attempts) -> None:
    await exhaust(world, attempts)

    assert isinstance(world.outcome(), Succeeded)


@pytest.mark.parametrize(
    "attempts",
    [
        Attempts(engine_failures=3),
        Attempts(losses=6, losses_alone=4),
        Attempts(outages=50, shortages=50),
    ],
)
async def test_beyond_what_may_be_given_up_in_an_hour_it_is_tried_again(
    world: World, attempts: Attempts
) -> None:
    assert await world.give_ups.take(order(2).conversion_id)

    await exhaust(world, attempts)

    assert isinstance(world.outcome(), Succeeded)
    assert world.claims.letters == []


async def test_giving_up_waits_for_a_store_that_is_away(world: World) -> None:
    class Away(InMemoryGiveUps):
        outages = 2

        async def take(self, conversion_id: ConversionId) -> bool:
            if self.outages:
                self.outages -= 1
                raise Outage("limits: away")
            return await super().take(conversion_id)

    convert = ConvertVideo(replace(world.equipment(), give_ups=Away(world.clock)))

    await convert(replace(await world.claim(), attempts=Attempts(engine_failures=3)))

    assert isinstance(world.outcome(), Failed)


async def test_a_refusal_is_no_dead_letter(world: World) -> None:
    world.engine.failures = [NoAudio()]

    await world.convert(await world.claim())

    assert world.claims.letters == []


async def test_a_video_that_fits_nowhere_ends_hours_later_without_a_single_copy(
    world: World, tmp_path: Path
) -> None:
    world.workshop.full_from_look = 1

    for number in range(AttemptLimits().outages + 1):
        await world.convert(await world.claim(f"worker-{number}"))
        world.clock.advance(300)

    outcome = world.outcome()
    assert isinstance(outcome, Failed)
    assert outcome.reason == FailureReason.STORAGE_FULL
    assert len(world.claims.letters) == 1
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_it_succeeds_unaided_once_there_is_room(world: World) -> None:
    world.workshop.full_from_look = 1
    for number in range(5):
        await world.convert(await world.claim(f"worker-{number}"))
        world.clock.advance(300)
    world.workshop.full_from_look = 0

    await world.convert(await world.claim("last"))

    assert isinstance(world.outcome(), Succeeded)


async def test_a_full_audio_store_is_want_of_room(world: World) -> None:
    world.audio.is_full = True

    await world.convert(await world.claim())

    assert world.claims.attempts(order().conversion_id) == Attempts(outages=1, shortages=1)
    assert len(world.audio.asked_for) == 1


async def test_whoever_was_called_off_lets_go_for_whoever_cleans_up(world: World) -> None:
    async def overtaken() -> None:
        await world.claims.call_off(order().conversion_id, Ending.DELETED)
        await asyncio.Event().wait()

    world.engine.while_encoding = overtaken

    await world.convert(await world.claim())

    assert len(await world.claims.unsettled(1)) == 1


async def test_when_the_engine_fails_with_three_conversions_in_a_row_it_is_suspected(
    world: World,
) -> None:
    world.engine.failures = [EngineFailure("bad deploy") for _ in range(5)]

    for number in (1, 2, 3, 4, 5):
        await world.convert(await world.claim(number=number))

    counted = [world.claims.attempts(order(number).conversion_id) for number in range(1, 6)]
    assert counted == [Attempts(engine_failures=1)] * 3 + [Attempts(outages=1)] * 2
    assert world.suspicion.is_raised


async def test_a_success_ends_the_suspicion(world: World) -> None:
    world.engine.failures = [EngineFailure("bad deploy") for _ in range(3)]
    for number in (1, 2, 3, 4):
        await world.convert(await world.claim(number=number))

    assert not world.suspicion.is_raised


async def test_one_bad_video_is_no_reason_to_suspect_the_engine(world: World) -> None:
    world.engine.failures = [EngineFailure("crash") for _ in range(3)]

    for number in range(4):
        await world.convert(await world.claim(f"worker-{number}"))
        world.clock.advance(10)

    assert not world.suspicion.is_raised


async def test_whoever_goes_on_encodes_only_the_chunks_that_are_missing(world: World) -> None:
    world.engine.chunks = 3

    async def lose_the_last() -> None:
        await world.kept(2)
        raise EngineFailure("the engine crashed")

    world.engine.while_encoding = lose_the_last
    await world.convert(await world.claim())
    world.clock.advance(LEASE_SECONDS)
    first, world.engine.encoded_chunks = world.engine.encoded_chunks, []
    world.engine.while_encoding = FakeEngine().while_encoding

    await world.convert(await world.claim("other"))

    assert first == [0, 1, 2]
    assert world.engine.encoded_chunks == []
    assert isinstance(world.outcome(), Succeeded)


async def test_no_chunk_outlasts_the_outcome(world: World, tmp_path: Path) -> None:
    world.engine.chunks = 2
    world.engine.while_encoding = lambda: world.kept(1)

    await world.convert(await world.claim())

    assert await world.fetched(tmp_path) == 0


async def test_a_store_that_keeps_no_chunks_keeps_no_conversion_from_its_end(world: World) -> None:
    world.engine.chunks = 2
    world.checkpoints.fails = Outage("checkpoints: away")

    await world.convert(await world.claim())

    assert isinstance(world.outcome(), Succeeded)
