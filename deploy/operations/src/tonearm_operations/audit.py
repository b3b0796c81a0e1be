"""Look at all stores, and look again before anything is called a finding."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial

from tonearm_operations.checks.audio import audio_findings, audio_written
from tonearm_operations.checks.checkpoints import checkpoint_findings
from tonearm_operations.checks.claims import claim_findings
from tonearm_operations.checks.conversions import conversion_findings
from tonearm_operations.checks.deliveries import delivery_findings
from tonearm_operations.checks.files import file_findings
from tonearm_operations.checks.outboxes import outbox_findings
from tonearm_operations.checks.videos import video_findings, videos_written
from tonearm_operations.findings import Finding
from tonearm_operations.stores import Scene, Stores

SECOND_LOOK_SECONDS = 3.0
MOST_FINDINGS = 50_000


class Audit:
    """Walks all stores and compares them with one another. It only reads.

    Work goes on meanwhile, and what two stores say at two moments may differ without anything
    being wrong. So whatever is found is looked for once more, a few seconds later, and only what
    both walks saw is a finding. At most `most` are remembered: memory stays bounded.
    """

    def __init__(
        self,
        stores: Stores,
        *,
        grace: timedelta,
        sleep: Callable[[float], Awaitable[None]],
        most: int = MOST_FINDINGS,
    ) -> None:
        """Judge only what is older than `grace`, by the store's clock."""
        self._stores = stores
        self._grace = grace
        self._sleep = sleep
        self._most = most

    async def run(self) -> list[Finding]:
        """Give what is wrong. Raises `Outage`: then nothing is known."""
        first = {each.key async for each in self._limited()}
        if not first:
            return []
        await self._sleep(SECOND_LOOK_SECONDS)
        # Under its key: one thing may be wrong for two reasons, which is still one finding.
        found: dict[object, Finding] = {}
        async for each in self._walk():
            if each.key in first:
                found.setdefault(each.key, each)
        return list(found.values())

    async def _limited(self) -> AsyncIterator[Finding]:
        seen = 0
        async for each in self._walk():
            yield each
            seen += 1
            if seen == self._most:
                return

    async def _walk(self) -> AsyncIterator[Finding]:
        stores = self._stores
        scene = Scene(stores, await stores.now(), self._grace)
        for walk in (
            file_findings(scene, "videos", stores.videos, partial(videos_written, scene)),
            file_findings(scene, "audio", stores.audio, partial(audio_written, scene)),
            video_findings(scene),
            audio_findings(scene),
            conversion_findings(scene),
            claim_findings(scene),
            checkpoint_findings(scene),
            delivery_findings(scene),
            outbox_findings(scene),
        ):
            async for finding in walk:
                yield finding
