"""Find encoded chunks that nobody will go on from."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tonearm_operations.findings import Finding, Kind
from tonearm_operations.stores import Scene, batches, by_id, plain

STORE = "converter.checkpoints"
RUNNING = "RUNNING"


async def checkpoint_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Walk over all chunks; those of what is under way are wanted."""
    fields = {"conversion_id": 1, "number": 1, "kept_at": 1}
    async for batch in batches(scene.stores.checkpoints.find({}, fields)):
        ids = {each.get("conversion_id") for each in batch}
        claims = await by_id(scene.stores.claims, ids, {"state": 1})
        for chunk in batch:
            claim = claims.get(plain(chunk.get("conversion_id")), {})
            if claim.get("state") != RUNNING and scene.is_old(chunk.get("kept_at")):
                detail = f"chunk {chunk.get('number')} of {plain(chunk.get('conversion_id'))}"
                yield Finding(Kind.CHECKPOINT_LEFT, STORE, plain(chunk["_id"]), detail)
