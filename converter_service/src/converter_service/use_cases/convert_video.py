"""Convert a video: from the claim to its outcome, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from converter_service import metrics
from converter_service.domain import (
    ENGINE_FAILED_SENTENCE,
    Claim,
    ClaimLost,
    DecodedAudio,
    EngineFailure,
    Failed,
    FailureReason,
    Outcome,
    Refusal,
    StoredAudio,
    Succeeded,
    audio_id,
    require_all_heard,
)
from converter_service.ports import (
    AudioStore,
    ClaimStore,
    Engine,
    ProgressChannel,
    VideoStore,
    Workplace,
    Workshop,
)
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

PREDECESSORS = 3
MAX_ENGINE_FAILURES = 3
ENGINE_REST_SECONDS = 1.0
# About half a minute in all, which outlasts the restart of a database.
OUTAGE_ATTEMPTS = 10
OUTAGE_PAUSE_SECONDS = 5.0
OUTAGE_REST_SECONDS = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Equipment:
    """Everything a conversion needs."""

    clock: Clock
    claims: ClaimStore
    videos: VideoStore
    audio: AudioStore
    engine: Engine
    workshop: Workshop
    progress: ProgressChannel
    lease_seconds: float


class ConvertVideo:
    """Carries a claimed conversion to its outcome, or gives the claim back."""

    def __init__(self, equipment: Equipment) -> None:
        """Convert with this equipment."""
        self._with = equipment

    async def __call__(self, claim: Claim) -> None:
        """Convert; returns when the claim is finished, lost or given back.

        When cancelled, ends the engine, gives the claim back and raises `CancelledError`.
        """
        try:
            result = await self._holding(claim)
        except ClaimLost:
            result = "CLAIM_LOST"
            with suppress(Outage):
                await self._with.audio.remove(claim.audio_id)
        except Outage as outage:
            # The outcome may have been recorded all the same, so the audio stays: whoever
            # claims next removes it, and only who finds no outcome can claim.
            log.warning("conversion_given_back", cause=str(outage))
            result = "OUTAGE"
            await self._release(claim, rest_seconds=OUTAGE_REST_SECONDS)
        except EngineFailure as failure:
            failures = claim.engine_failures + 1
            log.warning("engine_failed", cause=str(failure), failures=failures)
            result = "ENGINE_FAILURE"
            await self._release(claim, rest_seconds=ENGINE_REST_SECONDS, engine_failed=True)
        except asyncio.CancelledError:
            metrics.CONVERSIONS.labels("DRAINED").inc()
            await self._release(claim)
            raise
        metrics.CONVERSIONS.labels(result).inc()
        log.info("conversion_ended", result=result, fence=claim.fence)

    async def _holding(self, claim: Claim) -> str:
        """Work while the lease is renewed; the loss of the lease ends the work."""
        work = asyncio.create_task(self._work(claim))
        lease = asyncio.create_task(self._keep(claim))
        try:
            await asyncio.wait([work, lease], return_when=asyncio.FIRST_COMPLETED)
            return await (work if work.done() else lease)
        finally:
            work.cancel()
            lease.cancel()
            await asyncio.gather(work, lease, return_exceptions=True)

    async def _keep(self, claim: Claim) -> str:
        clock, lease_seconds = self._with.clock, self._with.lease_seconds
        renewed = clock.monotonic()
        while True:
            await clock.sleep(lease_seconds / 3)
            asked = clock.monotonic()
            try:
                await self._with.claims.renew(claim)
                renewed = asked
            except Outage as outage:
                log.warning("renewal_failed", cause=str(outage))
                if clock.monotonic() - renewed >= lease_seconds:
                    # Not `ClaimLost`: if the outcome was recorded just before, its audio must stay.
                    raise Outage("the lease ran out") from outage

    async def _work(self, claim: Claim) -> str:
        outcome = await self._convert(claim)
        await self._patiently(lambda: self._with.claims.finish(claim, outcome))
        return "SUCCEEDED" if isinstance(outcome, Succeeded) else outcome.reason

    async def _convert(self, claim: Claim) -> Outcome:
        if claim.engine_failures >= MAX_ENGINE_FAILURES:
            return Failed(
                FailureReason.ENGINE_FAILED, ENGINE_FAILED_SENTENCE, self._with.clock.now()
            )
        await self._begin(claim)
        try:
            async with self._with.workshop.open() as workplace:
                audio = await self._make(claim, workplace)
                with _step("store"):
                    stored = await self._patiently(
                        lambda: self._with.audio.put(claim.audio_id, workplace.audio)
                    )
        except Refusal as refusal:
            return Failed(refusal.reason, refusal.sentence, self._with.clock.now())
        metrics.AUDIO_SECONDS.inc(audio.seconds)
        return self._succeeded(stored, audio)

    async def _begin(self, claim: Claim) -> None:
        start_time = self._with.clock.now()
        await self._patiently(lambda: self._with.claims.announce_start(claim, start_time))
        # Every claim removes what its few predecessors left, so none looks further back.
        for fence in range(max(1, claim.fence - PREDECESSORS), claim.fence):
            left_behind = audio_id(claim.order.conversion_id, fence)
            await self._patiently(partial(self._with.audio.remove, left_behind))

    async def _make(self, claim: Claim, workplace: Workplace) -> DecodedAudio:
        engine = self._with.engine
        # Before a byte is copied: a video that does not fit must not fill the disk of the others.
        await self._patiently(partial(self._require_space, claim.order.size_bytes))
        with _step("copy"):
            await self._patiently(lambda: self._with.videos.copy(claim.order, workplace.video))
        with _step("inspect"):
            source = await engine.inspect(workplace.video)
        source.require_complete()
        seconds = source.expected_seconds

        def report(done_seconds: float) -> None:
            self._with.progress.report(claim, min(done_seconds / seconds, 1.0) if seconds else 0.0)

        try:
            with _step("encode"):
                encoded = await engine.encode(
                    workplace.video,
                    workplace.audio,
                    bitrate_kbps=claim.order.bitrate_kbps,
                    seconds=seconds,
                    progress=report,
                )
            with _step("decode"):
                audio = await engine.decode(workplace.audio, seconds=seconds)
            require_all_heard(source, encoded, audio)
        except (Refusal, EngineFailure):
            # A full disk shows as a short MP3, which must not be blamed on the video.
            self._with.workshop.require_space()
            raise
        return audio

    async def _require_space(self, wanted_bytes: int) -> None:
        self._with.workshop.require_space(wanted_bytes)

    def _succeeded(self, stored: StoredAudio, audio: DecodedAudio) -> Succeeded:
        return Succeeded(
            stored=stored,
            seconds=audio.seconds,
            sample_rate_hz=audio.sample_rate_hz,
            channels=audio.channels,
            peak_dbfs=audio.peak_dbfs,
            engine=self._with.engine.name,
            end_time=self._with.clock.now(),
        )

    async def _patiently(self, action: Callable[[], Awaitable[T]]) -> T:
        """Repeat through an outage of about half a minute, then raise it."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Outage),
            stop=stop_after_attempt(OUTAGE_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.2, max=OUTAGE_PAUSE_SECONDS),
            sleep=self._with.clock.sleep,
            reraise=True,
        ):
            with attempt:
                return await action()
        raise Outage  # pragma: no cover - the loop above returns or raises

    async def _release(
        self, claim: Claim, *, rest_seconds: float = 0.0, engine_failed: bool = False
    ) -> None:
        try:
            await self._with.claims.release(
                claim, rest_seconds=rest_seconds, engine_failed=engine_failed
            )
        except Outage as outage:  # the lease runs out by itself
            log.warning("release_failed", cause=str(outage))


@contextmanager
def _step(name: str) -> Iterator[None]:
    with metrics.STEP_SECONDS.labels(name).time():
        yield
