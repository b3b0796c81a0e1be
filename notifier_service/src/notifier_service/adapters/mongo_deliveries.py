"""Keep deliveries in MongoDB, one document each, and a collection for each channel.

What goes to webhooks has a collection of its own because a notifier that knew of none took all in
`deliveries` for mail.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice

from pymongo import DESCENDING, ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from notifier_service import wire
from notifier_service.adapters.delivery_documents import (
    NEXT_FENCE,
    TOMBSTONE,
    delivery_of,
    document_of,
    from_now,
    held,
    if_pending,
    place,
)
from notifier_service.domain import (
    BY_MAIL,
    Channel,
    Delivery,
    Notice,
    Position,
    Route,
    State,
)
from tonearm_chassis.mongo import Document, outages, server_time
from tonearm_chassis.outbox import entry_document

MAILS, HOOKS = "deliveries", "webhook_deliveries"
NEWEST_FIRST = [("requested_at", DESCENDING), ("_id", DESCENDING)]


class MongoDeliveryStore:
    """A `DeliveryStore`; a document's `_id` is its delivery's key."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Keep deliveries in `database`."""
        self._database = database
        self._mails = database[MAILS]
        self._hooks = database[HOOKS]

    async def prepare(self) -> None:
        """Create the indexes."""
        with outages():
            for collection in (self._mails, self._hooks):
                await collection.create_index([("state", 1), ("not_before", 1)], name="due")
                await collection.create_index([("account_id", 1), *NEWEST_FIRST], name="newest")
                await collection.create_index("deleted_at", name="deleted", sparse=True)
            await self._hooks.create_index([("webhook_id", 1), ("state", 1)], name="webhook")

    async def record(self, notice: Notice, webhook_ids: Sequence[str] = ()) -> Delivery:
        """Insert the delivery; where there is one already, the unique `_id` refuses a second."""
        with outages():
            now = await self._server_time()
            new = document_of(Delivery.requested(notice, now))
            # The first list stays for good: what is forgotten goes by it.
            new |= {"webhook_ids": list(webhook_ids), "branched": False} if webhook_ids else {}
            try:
                await self._mails.insert_one(new)
            except DuplicateKeyError:
                return delivery_of(await self._mails.find_one({"_id": new["_id"]}))
        return delivery_of(new)

    async def branch(self, delivery: Delivery) -> None:
        """Insert what is missing, then note that nothing is.

        A tombstone in the place of one refuses it as well as one that was inserted before.
        """
        with outages():
            for webhook_id in delivery.unrecorded:
                with suppress(DuplicateKeyError):
                    await self._hooks.insert_one(document_of(delivery.branch(webhook_id)))
            await self._mails.update_one(
                {"_id": delivery.key, "branched": False}, {"$set": {"branched": True}}
            )

    async def announce(self, delivery: Delivery) -> None:
        """Push an outbox entry unless the same one is still there."""
        entry = entry_document(wire.EVENTS_TOPIC, wire.announcement(delivery))
        with outages():
            await self._mails.update_one(
                {"_id": delivery.key, "outbox.id": {"$ne": entry["id"]}},
                {"$push": {"outbox": entry}},
            )

    async def redeliver(self, account_id: str, conversion_id: str, route: Route) -> Delivery | None:
        """Begin anew what is settled, and end a pause, in one atomic step."""
        with outages():
            # Not `$$NOW`, which may be a millisecond ahead: whoever is woken looks at once.
            now = await self._server_time()
            changes = {
                "state": State.PENDING.value,
                "fence": if_pending("$fence", NEXT_FENCE),
                "tries_before": if_pending("$tries_before", "$attempts"),
                "asked_at": if_pending("$asked_at", now),
                "last_error": if_pending("$last_error", ""),
                "lease_until": if_pending("$lease_until", now),
                "settled_at": None,
                "not_before": {"$min": ["$not_before", now]},
            }
            document = await self._of(route.channel).find_one_and_update(
                {"_id": route.key(conversion_id), "account_id": account_id},
                [{"$set": changes}],
                return_document=ReturnDocument.AFTER,
            )
        return delivery_of(document) if document else None

    async def forget(self, conversion_id: str) -> None:
        """Put tombstones in the places of all documents, that of the mail with its entry last.

        Which there are, or will be if somebody is about to insert them, is in the mail's.
        """
        with outages():
            now = await self._server_time()
            entry = entry_document(wire.EVENTS_TOPIC, wire.confirmation(conversion_id, now))
            tombstone = {"state": TOMBSTONE, "deleted_at": now}
            key = BY_MAIL.key(conversion_id)
            mail = {"_id": key, **tombstone, "outbox": [entry]}
            found = await self._mails.find_one({"_id": key}, {"webhook_ids": 1})
            while found is None:
                try:
                    await self._mails.insert_one(mail)
                except DuplicateKeyError:  # recorded by another notifier since it was looked for
                    found = await self._mails.find_one({"_id": key}, {"webhook_ids": 1})
                else:
                    return
            for webhook_id in found.get("webhook_ids") or ():
                hook = Route.to_webhook(webhook_id).key(conversion_id)
                await _put(self._hooks, {"_id": hook, **tombstone})
            await _put(self._mails, mail)

    async def sweep(self, seconds: float) -> int:
        """Delete tombstones by the server's clock."""
        with outages():
            before = await self._server_time() - timedelta(seconds=seconds)
            old = {
                "state": TOMBSTONE,
                "deleted_at": {"$lte": before},
                "outbox.0": {"$exists": False},
            }
            await self._hooks.delete_many(old)
            result = await self._mails.delete_many(old)
        return result.deleted_count

    async def give_up(self, account_id: str, webhook_id: str, why: str) -> int:
        """Abandon what is pending in one update; the higher fence shuts out who holds one."""
        with outages():
            now = await self._server_time()
            result = await self._hooks.update_many(
                {
                    "webhook_id": webhook_id,
                    "account_id": account_id,
                    "state": State.PENDING.value,
                },
                {
                    "$set": {
                        "state": State.ABANDONED.value,
                        "last_error": why,
                        "settled_at": now,
                    },
                    "$inc": {"fence": 1},
                },
            )
        return result.modified_count

    async def claim(
        self,
        channel: Channel,
        lease_seconds: float,
        but_not: Collection[str] = (),
        but_not_of: Collection[str] = (),
    ) -> Delivery | None:
        """Take the lease of the first due document in one atomic step."""
        changes = {
            "attempts": {"$add": ["$attempts", 1]},
            "fence": NEXT_FENCE,
            "lease_until": from_now(lease_seconds),
        }
        with outages():
            now = await self._server_time()
            document = await self._of(channel).find_one_and_update(
                {
                    "_id": {"$nin": list(but_not)},
                    "account_id": {"$nin": list(but_not_of)},
                    "state": State.PENDING.value,
                    "not_before": {"$lte": now},
                    "lease_until": {"$lte": now},
                },
                [{"$set": changes}],
                sort=[("not_before", 1)],
                return_document=ReturnDocument.AFTER,
            )
        return delivery_of(document) if document else None

    async def renew(self, claimed: Delivery, lease_seconds: float) -> bool:
        """Begin the lease anew, if the fencing number still holds."""
        changes = {"lease_until": from_now(lease_seconds)}
        with outages():
            result = await self._holding(claimed).update_one(held(claimed), [{"$set": changes}])
        return result.matched_count == 1

    async def settle(self, settled: Delivery) -> bool:
        """Write outcome and outbox entry at once, if the fencing number still holds."""
        changes: Document = {
            "$set": {
                "state": settled.state.value,
                "last_error": settled.last_error,
                "settled_at": settled.settled_at,
            }
        }
        if settled.is_awaited:
            entry = entry_document(wire.EVENTS_TOPIC, wire.announcement(settled))
            changes["$push"] = {"outbox": entry}
        with outages():
            result = await self._holding(settled).update_one(held(settled), changes)
        return result.matched_count == 1

    async def postpone(self, claimed: Delivery, why: str, seconds: float) -> bool:
        """End the lease and set the next due time by the server's clock."""
        changes = {
            "last_error": {"$literal": why},
            "not_before": from_now(seconds),
            # Just over: `$$NOW` may be a millisecond ahead of the time that claims go by.
            "lease_until": from_now(-0.001),
        }
        with outages():
            result = await self._holding(claimed).update_one(held(claimed), [{"$set": changes}])
        return result.matched_count == 1

    async def newest(
        self, account_id: str, conversion_id: str, after: Position | None, limit: int
    ) -> Sequence[Delivery]:
        """List an account's documents; the owner is part of the query itself."""
        query: Document = {"account_id": account_id}
        if conversion_id:
            query["conversion_id"] = conversion_id
        if after:
            query["$or"] = [
                {"requested_at": {"$lt": after.requested_at}},
                {"requested_at": after.requested_at, "_id": {"$lt": after.key}},
            ]
        with outages():
            found = [
                await collection.find(
                    query, {"outbox": 0}, sort=NEWEST_FIRST, limit=limit
                ).to_list()
                for collection in (self._mails, self._hooks)
            ]
        newest_first = merge(*found, key=place, reverse=True)
        return [delivery_of(document) for document in islice(newest_first, limit)]

    def _of(self, channel: Channel) -> AsyncCollection[Document]:
        return {Channel.MAIL: self._mails, Channel.WEBHOOK: self._hooks}[channel]

    def _holding(self, delivery: Delivery) -> AsyncCollection[Document]:
        return self._of(delivery.route.channel)

    async def _server_time(self) -> datetime:
        # Not `$expr` with `$$NOW`: the embedded store does not know it in queries, and no index
        # serves it. A time that is a moment old can only make a claim late, never early.
        return await server_time(self._database)


async def _put(collection: AsyncCollection[Document], document: Document) -> None:
    """Put a document in the place of another, or of none."""
    key = {"_id": document["_id"]}
    try:
        await collection.replace_one(key, document, upsert=True)
    except DuplicateKeyError:  # inserted by another notifier at the same moment
        await collection.replace_one(key, document)
