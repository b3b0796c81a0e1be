"""Keep the chunks of a conversion while it is encoded: a killed worker costs only the last ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from converter_service import metrics
from converter_service.domain import Claim, ConversionId, WorkId, work_of
from converter_service.ports import Checkpoints, CheckpointStore
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

LEAVE_SECONDS = 1.0


class KeepChunks:
    """Lends a conversion what earlier attempts at it encoded, and keeps what it adds."""

    def __init__(self, store: CheckpointStore) -> None:
        """Keep chunks in `store`. Whatever goes wrong there costs time, and nothing else."""
        self._store = store

    @asynccontextmanager
    async def of(self, claim: Claim, engine: str, directory: Path) -> AsyncIterator[Checkpoints]:
        """Give the engine a directory with what there is; leaving the context ends the keeping."""
        conversion_id, work = claim.order.conversion_id, work_of(claim.order, engine)
        await self._fetch(conversion_id, work, directory)
        made: asyncio.Queue[tuple[int, Path]] = asyncio.Queue()
        keeping = asyncio.create_task(self._keep_all(conversion_id, work, made))
        try:
            yield Checkpoints(directory, lambda number, chunk: made.put_nowait((number, chunk)))
        finally:
            keeping.cancel()
            # A store that hangs must hold nothing up; what is left of the task ends by itself.
            await asyncio.wait({keeping}, timeout=LEAVE_SECONDS)

    async def forget(self, conversion_id: ConversionId) -> None:
        """Delete what nobody will go on from; what an outage leaves is swept."""
        try:
            await self._store.remove(conversion_id)
        except Outage as outage:
            log.warning("checkpoints_left", cause=str(outage))

    async def _fetch(self, conversion_id: ConversionId, work: WorkId, directory: Path) -> None:
        try:
            count = await self._store.fetch(conversion_id, work, directory)
        except Outage as outage:
            log.warning("checkpoints_not_fetched", cause=str(outage))
            return
        if count:
            metrics.CHECKPOINTS.labels("used").inc(count)
            log.info("checkpoints_found", count=count)

    async def _keep_all(
        self, conversion_id: ConversionId, work: WorkId, made: asyncio.Queue[tuple[int, Path]]
    ) -> None:
        while True:
            number, chunk = await made.get()
            try:
                await self._store.keep(conversion_id, work, number, chunk)
            except Outage as outage:
                log.warning("checkpoint_not_kept", number=number, cause=str(outage))
            else:
                metrics.CHECKPOINTS.labels("kept").inc()
