"""Find promised events that nobody sends."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tonearm_chassis.mongo import outages
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.stores import Scene, batches, plain


async def outbox_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Look for entries older than the grace in every collection of the three services."""
    for database in (scene.stores.gateway, scene.stores.converter, scene.stores.notifier):
        with outages():
            names = await database.list_collection_names()
        for name in sorted(names):
            cursor = database[name].find(
                {"outbox.id": {"$gt": ""}}, {"outbox.id": 1, "outbox.type": 1, "outbox.time": 1}
            )
            async for batch in batches(cursor):
                for document in batch:
                    for entry in document["outbox"]:
                        if scene.is_old(entry.get("time")):
                            yield Finding(
                                Kind.OUTBOX_UNSENT,
                                f"{database.name}.{name}",
                                plain(f"{document['_id']}/{entry.get('id')}"),
                                f"{entry.get('type')}, {scene.age(entry.get('time'))}",
                            )
