"""Find notices of conversions that are not, and notices that nobody sends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from tonearm_chassis.mongo import Document, outages
from tonearm_operations import shapes
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.stores import Scene, batches, by_id, plain

STORE = "notifier.deliveries"


async def delivery_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Walk over all deliveries that are more than a tombstone."""
    live = await _senders_live(scene)
    async for batch in batches(scene.stores.deliveries.find({}, shapes.DELIVERY_FIELDS)):
        ids = [each.get("conversion_id") for each in batch]
        known = await by_id(scene.stores.conversions, ids, shapes.GRAVE_FIELDS)
        for delivery in batch:
            if shapes.is_forgotten(delivery):
                continue
            conversion = known.get(plain(delivery.get("conversion_id")))
            for finding in _judged(scene, delivery, conversion, live=live):
                yield finding


def _judged(
    scene: Scene, delivery: Document, conversion: Document | None, *, live: bool
) -> Iterator[Finding]:
    name, state = plain(delivery["_id"]), delivery.get("state")
    if not shapes.may_leave_traces(conversion, shapes.NOTIFIER):
        if scene.is_old(delivery.get("requested_at")):
            detail = f"{state}, and there is no such conversion"
            yield Finding(Kind.DELIVERY_WITHOUT_CONVERSION, STORE, name, detail)
        return
    is_due = scene.is_old(delivery.get("not_before")) and scene.is_old(delivery.get("lease_until"))
    if state == "PENDING" and is_due and not live:
        detail = f"nobody sends at all, due since {scene.age(delivery.get('not_before'))}"
        yield Finding(Kind.DELIVERY_STUCK, STORE, name, detail)


async def _senders_live(scene: Scene) -> bool:
    """Tell whether any lease runs, or ran within the grace: then what is due merely waits."""
    with outages():
        found = await scene.stores.deliveries.find_one(
            {"lease_until": {"$gt": scene.now - scene.grace}, "fence": {"$gt": 0}}, {"_id": 1}
        )
    return found is not None
