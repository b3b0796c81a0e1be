"""Find claims of conversions that are not, and claims that were called off by halves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from tonearm_chassis.mongo import Document
from tonearm_operations import shapes
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.stores import Scene, batches, by_id, plain

STORE = "converter.claims"


async def claim_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Walk over all claims."""
    async for batch in batches(scene.stores.claims.find({}, shapes.CLAIM_FIELDS)):
        ids = [each["_id"] for each in batch]
        known = await by_id(scene.stores.conversions, ids, shapes.GRAVE_FIELDS)
        for claim in batch:
            for finding in _judged(scene, claim, known.get(plain(claim["_id"]))):
                yield finding


def _judged(scene: Scene, claim: Document, conversion: Document | None) -> Iterator[Finding]:
    name, state, ended = plain(claim["_id"]), claim.get("state"), claim.get("end_time")
    if claim.get("unsettled") and scene.is_old(ended):
        detail = f"{state}, and not cleaned up, {scene.age(ended)}"
        yield Finding(Kind.CLAIM_UNSETTLED, STORE, name, detail)
    if shapes.is_forgotten(claim) or not scene.is_old(claim.get("create_time") or ended):
        return
    if not shapes.may_leave_traces(conversion, shapes.CONVERTER):
        detail = f"{state}, and there is no such conversion"
        yield Finding(Kind.CLAIM_WITHOUT_CONVERSION, STORE, name, detail)
