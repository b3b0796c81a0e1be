"""Throw away what nobody will ask for any more, whoever was killed half way through it.

Every step is small, takes effect once, and leaves what the next one finds: several gateways may
sweep at once, and any of them may be killed between any two steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from gateway_service import metrics
from gateway_service.domain import Retention
from gateway_service.ports import (
    AudioStore,
    ConversionRecords,
    ConversionStore,
    VideoLedger,
    VideoStore,
)
from gateway_service.use_cases.wakeful import Alarm
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

BATCH = 100
# Orphans are rare, and looking for them reads all of the store's index.
ORPHAN_SHARE = 0.25

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the sweeper waits before it takes something for left behind."""

    sweep_seconds: float
    upload_idle_seconds: float
    orphan_age_seconds: float
    request_memory: timedelta
    retention: Retention


@dataclass(frozen=True, slots=True)
class Stores:
    """What is swept."""

    videos: VideoStore
    audio: AudioStore
    ledger: VideoLedger
    conversions: ConversionStore
    records: ConversionRecords


class Sweeper:
    """A `Background` that sweeps now and then, and a `Waker` that does so at once."""

    def __init__(self, stores: Stores, alarm: Alarm, clock: Clock, patience: Patience) -> None:
        """Sweep `stores`, at once when `alarm` rings."""
        self._stores = stores
        self._alarm = alarm
        self._clock = clock
        self._patience = patience
        self._looked_for_orphans = float("-inf")

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep until `stopping` is set."""
        while not stopping.is_set():
            await self.sweep()
            await self._alarm.wait(stopping, self._patience.sweep_seconds)

    async def sweep(self) -> None:
        """Do all that is due; what an outage stops, stops nothing else."""
        for step in (
            self._complete_old_ones,
            self._give_up_idle_uploads,
            self._settle,
            self._release_videos,
            self._delete_discarded,
            self._delete_audio,
            self._forget,
            self._find_orphans,
        ):
            try:
                await step()
            except Outage as error:
                log.warning("sweeper_waits", step=step.__name__.strip("_"), cause=str(error))

    async def _complete_old_ones(self) -> None:
        """Say until when files are kept of what ended before anybody counted (version 0.1)."""
        for old in await self._stores.records.unkept(BATCH):
            await self._stores.conversions.replace(old, old.kept(self._patience.retention))

    async def _give_up_idle_uploads(self) -> None:
        ledger, now = self._stores.ledger, self._clock.now()
        before = now - timedelta(seconds=self._patience.upload_idle_seconds)
        async for upload in _all(lambda: ledger.idle(before, BATCH)):
            await ledger.give_up(upload, now)
            self._swept("upload", video_id=upload.video_id)

    async def _settle(self) -> None:
        """See whether conversions that were about to be inserted ever were."""
        ledger, now = self._stores.ledger, self._clock.now()
        before = now - timedelta(seconds=self._patience.upload_idle_seconds)
        async for video_id, user in _all(lambda: ledger.unsettled(before, BATCH)):
            if await self._stores.records.forestall(user, now):
                await ledger.release(video_id, user, now)
                self._swept("reference", video_id=video_id)
            else:
                await ledger.settle(video_id, user)

    async def _release_videos(self) -> None:
        records, now = self._stores.records, self._clock.now()
        async for conversion in _all(lambda: records.done_with_video(now, BATCH)):
            await self._stores.ledger.release(conversion.video.id, conversion.id, now)
            await records.video_released(conversion)

    async def _delete_discarded(self) -> None:
        ledger = self._stores.ledger
        async for video_id in _all(lambda: ledger.discarded(BATCH)):
            await self._stores.videos.delete(video_id)
            await ledger.remove(video_id)
            self._swept("video", video_id=video_id)

    async def _delete_audio(self) -> None:
        records, now = self._stores.records, self._clock.now()
        async for conversion in _all(lambda: records.done_with_audio(now, BATCH)):
            if conversion.audio is not None:
                await self._stores.audio.delete(conversion.audio.id)
            await records.audio_deleted(conversion)
            self._swept("audio", conversion_id=conversion.id)

    async def _forget(self) -> None:
        records = self._stores.records
        before = self._clock.now() - self._patience.request_memory
        async for conversion in _all(lambda: records.forgettable(before, BATCH)):
            await records.forget(conversion)
            self._swept("tombstone", conversion_id=conversion.id)

    async def _find_orphans(self) -> None:
        """Find bytes without an entry in the ledger; the last net, for what nobody thought of."""
        age = self._patience.orphan_age_seconds
        if self._clock.monotonic() - self._looked_for_orphans < age * ORPHAN_SHARE:
            return
        ledger = self._stores.ledger
        async for video_id in self._stores.videos.orphans(age, ledger.known):
            users = await self._stores.records.users(video_id)
            if users:  # version 0.1 kept no ledger
                await ledger.adopt(video_id, users, self._clock.now())
            else:
                await self._stores.videos.delete(video_id)
                self._swept("orphan", video_id=video_id)
        self._looked_for_orphans = self._clock.monotonic()

    def _swept(self, what: str, **ids: str) -> None:
        metrics.SWEPT.labels(what).inc()
        log.info("swept", what=what, **ids)


async def _all(listing: Callable[[], Awaitable[Sequence[T]]]) -> AsyncIterator[T]:
    """Go through a list that is given a batch at a time, and loses what is done."""
    seen: set[T] = set()
    while fresh := [each for each in await listing() if each not in seen]:
        seen.update(fresh)
        for each in fresh:
            yield each
