"""Call conversions off, clean up behind them, and say so."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from converter_service import metrics
from converter_service.domain import CalledOff, ConversionId, Ending
from converter_service.ports import AudioStore, CheckpointStore, TombstoneStore
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

BATCH = 100
SWEEP_SECONDS = 1.0


class Stop(Protocol):
    """End the work on a conversion, if it is done here, with all its processes."""

    async def __call__(self, conversion_id: ConversionId) -> None:
        """Return once it is over; nothing if there is none."""
        ...


class CallOff:
    """Ends conversions as the gateway says.

    The confirmation is promised when nobody works on the conversion any more and its audio is
    gone. If its holder is another worker, that one lets go within seconds, or its lease runs out;
    then whoever sweeps next cleans up.
    """

    def __init__(
        self,
        tombstones: TombstoneStore,
        audio: AudioStore,
        checkpoints: CheckpointStore,
        stop: Stop,
    ) -> None:
        """Write to `tombstones`; `stop` ends what runs in this process."""
        self._tombstones = tombstones
        self._audio = audio
        self._checkpoints = checkpoints
        self._stop = stop

    async def __call__(self, conversion_id: ConversionId, ending: Ending) -> None:
        """Call off, whatever became of it; a repeat confirms again. Raises `Outage`."""
        await self._tombstones.call_off(conversion_id, ending)
        await self._stop(conversion_id)
        await self.clean_up()

    async def run(self, stopping: asyncio.Event) -> None:
        """Clean up what others called off until `stopping` is set; an outage only delays it."""
        while not stopping.is_set():
            try:
                await self.clean_up()
            except Outage as outage:
                log.warning("clean_up_waits", cause=str(outage))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), SWEEP_SECONDS)

    async def clean_up(self) -> None:
        """Settle what was called off and has no holder any more. Raises `Outage`."""
        seen: set[CalledOff] = set()
        while found := set(await self._tombstones.unsettled(BATCH)) - seen:
            for called_off in found:
                await self._settle(called_off)
            seen |= found

    async def _settle(self, called_off: CalledOff) -> None:
        await self._audio.remove(called_off.audio_ids)
        await self._audio.remove_all(called_off.conversion_id)
        await self._checkpoints.remove(called_off.conversion_id)
        await self._tombstones.settle(called_off)
        metrics.CALLED_OFF.labels(called_off.ending).inc()
        log.info(
            "called_off", conversion_id=called_off.conversion_id, ending=called_off.ending.value
        )
