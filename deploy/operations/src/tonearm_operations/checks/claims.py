"""Find claims of conversions that are not."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tonearm_operations import shapes
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.stores import Scene, batches, by_id, plain

STORE = "converter.claims"


async def claim_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Walk over all claims that are more than a gravestone."""
    async for batch in batches(scene.stores.claims.find({}, shapes.CLAIM_FIELDS)):
        ids = [each["_id"] for each in batch]
        known = await by_id(scene.stores.conversions, ids, shapes.GRAVE_FIELDS)
        for claim in batch:
            if shapes.is_forgotten(claim) or not scene.is_old(claim.get("create_time")):
                continue
            if not shapes.may_leave_traces(known.get(plain(claim["_id"])), "CONVERTER"):
                detail = f"{claim.get('state')}, and there is no such conversion"
                yield Finding(Kind.CLAIM_WITHOUT_CONVERSION, STORE, plain(claim["_id"]), detail)
