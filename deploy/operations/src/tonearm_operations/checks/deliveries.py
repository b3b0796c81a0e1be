"""Find notices of conversions that are not, notices that nobody sends, and those never recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from tonearm_chassis.mongo import Document, outages
from tonearm_operations import shapes
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.stores import Collection, Scene, batches, by_id, plain


async def delivery_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Walk over all deliveries, by mail and to webhooks, that are more than a tombstone."""
    for collection in (scene.stores.deliveries, scene.stores.webhook_deliveries):
        async for finding in _of_channel(scene, collection):
            yield finding


async def _of_channel(scene: Scene, collection: Collection) -> AsyncIterator[Finding]:
    live = await _senders_live(scene, collection)
    store = f"notifier.{collection.name}"
    async for batch in batches(collection.find({}, shapes.DELIVERY_FIELDS)):
        ids = [each.get("conversion_id") for each in batch]
        known = await by_id(scene.stores.conversions, ids, shapes.GRAVE_FIELDS)
        unrecorded = await _unrecorded(scene, batch)
        for delivery in batch:
            if shapes.is_forgotten(delivery):
                continue
            conversion = known.get(plain(delivery.get("conversion_id")))
            for finding in _judged(scene, store, delivery, conversion, live=live):
                yield finding
            for missing in unrecorded.get(plain(delivery["_id"]), ()):
                detail = f"settled, and there is no delivery {missing}"
                yield Finding(Kind.WEBHOOK_UNRECORDED, store, plain(delivery["_id"]), detail)


def _judged(
    scene: Scene, store: str, delivery: Document, conversion: Document | None, *, live: bool
) -> Iterator[Finding]:
    name, state = plain(delivery["_id"]), delivery.get("state")
    if not shapes.may_leave_traces(conversion, shapes.NOTIFIER):
        if scene.is_old(delivery.get("requested_at")):
            detail = f"{state}, and there is no such conversion"
            yield Finding(Kind.DELIVERY_WITHOUT_CONVERSION, store, name, detail)
        return
    is_due = scene.is_old(delivery.get("not_before")) and scene.is_old(delivery.get("lease_until"))
    if state == "PENDING" and is_due and not live:
        detail = f"nobody sends at all, due since {scene.age(delivery.get('not_before'))}"
        yield Finding(Kind.DELIVERY_STUCK, store, name, detail)


async def _unrecorded(scene: Scene, batch: Sequence[Document]) -> dict[str, list[str]]:
    """List, by the mails that were settled for long, the deliveries to webhooks that are not."""
    wanted = {
        plain(each["_id"]): list(shapes.webhook_delivery_ids(each))
        for each in batch
        if shapes.was_settled(each) and scene.is_old(each.get("settled_at"))
    }
    ids = [name for names in wanted.values() for name in names]
    there = await by_id(scene.stores.webhook_deliveries, ids, {"_id": 1})
    return {
        mail: [name for name in names if plain(name) not in there] for mail, names in wanted.items()
    }


async def _senders_live(scene: Scene, collection: Collection) -> bool:
    """Tell whether any lease runs, or ran within the grace: then what is due merely waits."""
    with outages():
        found = await collection.find_one(
            {"lease_until": {"$gt": scene.now - scene.grace}, "fence": {"$gt": 0}}, {"_id": 1}
        )
    return found is not None
