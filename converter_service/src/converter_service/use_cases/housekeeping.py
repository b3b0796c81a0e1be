"""Remove what nobody will ask for again: stray audio, and tombstones that have done their duty."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from converter_service import metrics
from converter_service.domain import AudioId
from converter_service.ports import AudioStore, CheckpointStore, TombstoneStore
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

# A file that was needed when it got old enough may be unwanted a day later, hardly after that;
# the first sweep of every process looks at all.
LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Retention:
    """How often to look, and how old what is removed must be."""

    sweep_seconds: float = 60.0
    orphan_age_seconds: float = 3600.0
    tombstone_days: float = 14.0


class Housekeeping:
    """Sweeps; several workers may do so at once."""

    def __init__(
        self,
        clock: Clock,
        tombstones: TombstoneStore,
        audio: AudioStore,
        checkpoints: CheckpointStore,
        retention: Retention,
    ) -> None:
        """Compare `audio` with `tombstones`; what is old in `checkpoints` is of no use."""
        self._clock = clock
        self._tombstones = tombstones
        self._audio = audio
        self._checkpoints = checkpoints
        self._retention = retention
        self._looked_until: datetime | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep again and again until `stopping` is set; an outage only delays it."""
        while not stopping.is_set():
            try:
                await self.sweep()
            except Outage as outage:
                log.warning("housekeeping_waits", cause=str(outage))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._retention.sweep_seconds)

    async def sweep(self) -> None:
        """Remove stray files, fragments and old tombstones. Raises `Outage`."""
        until = self._clock.now() - timedelta(seconds=self._retention.orphan_age_seconds)
        since = self._looked_until and self._looked_until - LOOK_BACK
        await self._remove_files(since, until)
        await self._remove_fragments()
        await self._remove_checkpoints()
        self._looked_until = until
        kept = timedelta(days=self._retention.tombstone_days)
        if count := await self._tombstones.forget(self._clock.now() - kept):
            log.info("tombstones_removed", count=count)

    async def _remove_files(self, since: datetime | None, until: datetime) -> None:
        async for files in self._audio.list_files(since, until):
            # Which files there are is read first, who wants them after that: what is wanted by
            # nobody then will be wanted by nobody ever, for every claim stores under a new name.
            await self._remove(await self._tombstones.unwanted(files), "file")

    async def _remove_fragments(self) -> None:
        fragments = await self._audio.fragments(self._retention.orphan_age_seconds)
        held = await self._tombstones.held(fragments) if fragments else set()
        await self._remove([each for each in fragments if each not in held], "fragment")

    async def _remove_checkpoints(self) -> None:
        # Also of what still runs: it goes on without them, and only who comes after misses them.
        if count := await self._checkpoints.sweep(self._retention.orphan_age_seconds):
            log.info("checkpoints_removed", count=count)

    async def _remove(self, audio_ids: list[AudioId], kind: str) -> None:
        if audio_ids:
            await self._audio.remove(audio_ids)
            metrics.STRAYS.labels(kind).inc(len(audio_ids))
            log.warning("stray_audio_removed", kind=kind, count=len(audio_ids))
