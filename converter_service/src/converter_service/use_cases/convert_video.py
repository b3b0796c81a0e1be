"""Convert a video: from the claim to its outcome, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from converter_service import metrics
from converter_service.domain import (
    AttemptLimits,
    AudioId,
    Claim,
    ClaimLost,
    DecodedAudio,
    EncodeReport,
    EngineFailure,
    Exhaustion,
    Failed,
    Loudness,
    Outcome,
    Recipe,
    Refusal,
    Setback,
    SourceLimits,
    StoredAudio,
    Succeeded,
    Waveform,
    gain_for,
)
from converter_service.ports import (
    AudioStore,
    CheckpointStore,
    ClaimStore,
    Engine,
    GiveUps,
    ProgressChannel,
    VideoStore,
    Workplace,
    Workshop,
)
from converter_service.use_cases.checkpoints import KeepChunks
from converter_service.use_cases.holding import Holding
from converter_service.use_cases.patience import patiently
from converter_service.use_cases.suspicion import Suspicion
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage, StorageFull
from tonearm_chassis.logs import get_log

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Equipment:
    """Everything a conversion needs."""

    clock: Clock
    claims: ClaimStore
    videos: VideoStore
    audio: AudioStore
    checkpoints: CheckpointStore
    engine: Engine
    workshop: Workshop
    progress: ProgressChannel
    suspicion: Suspicion
    give_ups: GiveUps
    lease_seconds: float
    limits: AttemptLimits = field(default_factory=AttemptLimits)
    source_limits: SourceLimits = field(default_factory=SourceLimits)


@dataclass(frozen=True, slots=True)
class Made:
    """What a conversion made, and of what."""

    recipe: Recipe
    report: EncodeReport
    audio: DecodedAudio


class ConvertVideo:
    """Carries a claimed conversion to its outcome, or gives the claim back."""

    def __init__(self, equipment: Equipment) -> None:
        """Convert with this equipment."""
        self._with = equipment
        self._holding = Holding(
            equipment.clock, equipment.claims, lease_seconds=equipment.lease_seconds
        )
        self._chunks = KeepChunks(equipment.checkpoints)

    async def __call__(self, claim: Claim) -> None:
        """Convert; returns when the claim is finished, lost or given back.

        When cancelled, ends the engine, gives the claim back and raises `CancelledError`.
        """
        names: list[AudioId] = []
        try:
            result = await self._holding.during(claim, self._work(claim, names))
        except ClaimLost:
            result = await self._leave_nothing(claim, names)
        except StorageFull as full:
            result = await self._give_back(claim, Setback.NO_ROOM, full)
        except Outage as outage:
            # The outcome may have been recorded all the same, so the audio stays: whoever
            # claims next removes it, and only who finds no outcome can claim.
            result = await self._give_back(claim, Setback.OUTAGE, outage)
        except EngineFailure as failure:
            setback = self._with.suspicion.failed(claim.order.conversion_id)
            await self._give_back(claim, setback, failure)
            result = str(Setback.ENGINE_FAILED)
        except asyncio.CancelledError:
            is_back = await self._release(claim, Setback.DRAINED)
            metrics.CONVERSIONS.labels("DRAINED" if is_back else "CLAIM_LOST").inc()
            raise
        metrics.CONVERSIONS.labels(result).inc()
        log.info("conversion_ended", result=result, fence=claim.fence)

    async def _work(self, claim: Claim, names: list[AudioId]) -> str:
        clock, claims = self._with.clock, self._with.claims
        if claim.left_behind:
            await patiently(clock, lambda: self._with.audio.remove(claim.left_behind))
        exhaustion = self._with.limits.exhaustion(claim.attempts)
        if exhaustion and await self._may_give_up(claim, exhaustion):
            letter_reason = f"{exhaustion.reason}: {exhaustion.detail}"
            outcome: Outcome = Failed(exhaustion.reason, exhaustion.sentence, clock.now())
        else:
            letter_reason = ""
            outcome = await self._convert(claim, names)
        await patiently(clock, lambda: claims.finish(claim, outcome, letter_reason=letter_reason))
        await self._chunks.forget(claim.order.conversion_id)
        return "SUCCEEDED" if isinstance(outcome, Succeeded) else outcome.reason

    async def _may_give_up(self, claim: Claim, exhaustion: Exhaustion) -> bool:
        """Tell whether to end it here; else one more attempt is made, as there will be others.

        So many were given up lately that a bad release is more likely to blame than all of them.
        Rests go on growing, and some later attempt may be made by a better release.
        """
        may = await patiently(
            self._with.clock, lambda: self._with.give_ups.take(claim.order.conversion_id)
        )
        if may:
            log.error("attempts_exhausted", reason=exhaustion.reason, detail=exhaustion.detail)
        else:
            log.error("give_up_limit_reached", reason=exhaustion.reason, detail=exhaustion.detail)
        return may

    async def _convert(self, claim: Claim, names: list[AudioId]) -> Outcome:
        clock, claims = self._with.clock, self._with.claims
        start_time = clock.now()
        await patiently(clock, lambda: claims.announce_start(claim, start_time))
        try:
            async with self._with.workshop.open() as workplace:
                made = await self._make(claim, workplace)
                with _step("store"):
                    stored = await patiently(
                        clock,
                        lambda: self._store(claim, workplace.audio, made.audio.waveform, names),
                    )
        except Refusal as refusal:
            return Failed(refusal.reason, refusal.sentence, clock.now())
        metrics.AUDIO_SECONDS.inc(made.audio.seconds)
        return self._succeeded(stored, made)

    async def _make(self, claim: Claim, workplace: Workplace) -> Made:
        engine = self._with.engine
        # Before a byte is copied: a video that does not fit must not fill the disk of the others.
        self._with.workshop.require_space(claim.order.size_bytes)
        with _step("copy"):
            await patiently(
                self._with.clock, lambda: self._with.videos.copy(claim.order, workplace.video)
            )
        with _step("inspect"):
            source = await engine.inspect(workplace.video)
        recipe = Recipe.of(claim.order.options, source)
        # Before the look at whether it is whole: nobody should upload it again only to hear this.
        self._with.source_limits.require_within(
            recipe.track.audio,
            video_bytes=claim.order.size_bytes,
            bitrate_kbps=recipe.expected_kbps,
            kept_seconds=recipe.seconds if recipe.is_trimmed else None,
        )
        recipe.track.audio.require_complete()
        seconds = recipe.seconds

        def report(done_seconds: float) -> None:
            self._with.progress.report(claim, min(done_seconds / seconds, 1.0) if seconds else 0.0)

        try:
            if recipe.options.loudness is not None:
                with _step("measure"):
                    recipe = await self._measured(workplace, recipe, recipe.options.loudness)
            with _step("encode"):
                async with self._chunks.of(claim, engine.name, workplace.chunks) as checkpoints:
                    encoded = await engine.encode(
                        workplace.video, workplace.audio, recipe, report, checkpoints
                    )
            with _step("decode"):
                audio = await engine.decode(workplace.audio, recipe)
            recipe.require_all_heard(encoded, audio)
        except (Refusal, EngineFailure):
            # A full disk shows as a short file, which must not be blamed on the video.
            self._with.workshop.require_space()
            raise
        self._with.suspicion.worked()
        return Made(recipe, encoded, audio)

    async def _measured(self, workplace: Workplace, recipe: Recipe, wanted: Loudness) -> Recipe:
        measured = await self._with.engine.measure(workplace.video, recipe)
        gain_db = gain_for(wanted, measured)
        return replace(recipe, measured=replace(measured, gain_db=gain_db))

    def _succeeded(self, stored: StoredAudio, made: Made) -> Succeeded:
        audio = made.audio
        return Succeeded(
            stored=stored,
            seconds=audio.seconds,
            sample_rate_hz=audio.sample_rate_hz,
            channels=audio.channels,
            peak_dbfs=audio.peak_dbfs,
            engine=self._with.engine.name,
            end_time=self._with.clock.now(),
            source=made.recipe.source,
            loudness=made.recipe.measured,
            is_copy=made.report.is_copy,
        )

    async def _store(
        self, claim: Claim, audio: Path, waveform: Waveform | None, names: list[AudioId]
    ) -> StoredAudio:
        """Store under a name that no attempt has used before, and add it to `names`."""
        name = await self._with.claims.name_audio(claim)
        names.append(name)
        return await self._with.audio.put(name, claim, audio, waveform)

    async def _leave_nothing(self, claim: Claim, names: list[AudioId]) -> str:
        """Remove what is ours, then say that we are gone: who called it off waits for that."""
        with suppress(Outage):
            await self._with.audio.remove(names)
        await self._release(claim, Setback.DRAINED)
        return "CLAIM_LOST"

    async def _give_back(self, claim: Claim, setback: Setback, cause: Exception) -> str:
        log.warning("conversion_given_back", setback=setback.value, cause=str(cause))
        await self._release(claim, setback)
        return setback.value

    async def _release(self, claim: Claim, setback: Setback) -> bool:
        """Give the claim back; tell whether it still was ours."""
        try:
            return await self._with.claims.release(claim, setback)
        except Outage as outage:  # the lease runs out by itself
            log.warning("release_failed", cause=str(outage))
            return True


@contextmanager
def _step(name: str) -> Iterator[None]:
    with metrics.STEP_SECONDS.labels(name).time():
        yield
