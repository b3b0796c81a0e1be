"""Keep deliveries in MongoDB, one document each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import DESCENDING, ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from notifier_service import wire
from notifier_service.domain import (
    Deleted,
    Delivery,
    Notice,
    Outcome,
    Position,
    State,
    delivery_key,
)
from tonearm_chassis.mongo import Document, outages, server_time
from tonearm_chassis.outbox import entry_document

NEWEST_FIRST = [("requested_at", DESCENDING), ("_id", DESCENDING)]
TOMBSTONE = "DELETED"  # in the place of a state; such a document has no owner and is never due

IS_PENDING = {"$eq": ["$state", State.PENDING.value]}
# Documents of versions that knew no fence were fenced by their attempts.
NEXT_FENCE = {"$add": [{"$ifNull": ["$fence", "$attempts"]}, 1]}


class MongoDeliveryStore:
    """A `DeliveryStore`; the document's `_id` is the delivery's key."""

    def __init__(self, collection: AsyncCollection[Document]) -> None:
        """Keep deliveries in `collection`."""
        self._collection = collection

    async def prepare(self) -> None:
        """Create the indexes."""
        with outages():
            await self._collection.create_index([("state", 1), ("not_before", 1)], name="due")
            await self._collection.create_index([("account_id", 1), *NEWEST_FIRST], name="newest")
            await self._collection.create_index("deleted_at", name="deleted", sparse=True)

    async def record(self, notice: Notice) -> Delivery:
        """Insert the delivery; where there is one already, the unique `_id` refuses a second."""
        with outages():
            now = await self._server_time()
            new = _document(notice, now)
            try:
                await self._collection.insert_one(new)
            except DuplicateKeyError:
                return _delivery(await self._collection.find_one({"_id": notice.key}))
        return _delivery(new)

    async def announce(self, delivery: Delivery) -> None:
        """Push an outbox entry unless the same one is still there."""
        entry = entry_document(wire.EVENTS_TOPIC, wire.announcement(delivery))
        with outages():
            await self._collection.update_one(
                {"_id": delivery.key, "outbox.id": {"$ne": entry["id"]}},
                {"$push": {"outbox": entry}},
            )

    async def redeliver(self, account_id: str, key: str) -> Delivery | None:
        """Begin anew what is settled, and end a pause, in one atomic step."""
        with outages():
            # Not `$$NOW`, which may be a millisecond ahead: whoever is woken looks at once.
            now = await self._server_time()
            changes = {
                "state": State.PENDING.value,
                "fence": _if_pending("$fence", NEXT_FENCE),
                "tries_before": _if_pending("$tries_before", "$attempts"),
                "asked_at": _if_pending("$asked_at", now),
                "last_error": _if_pending("$last_error", ""),
                "lease_until": _if_pending("$lease_until", now),
                "settled_at": None,
                "not_before": {"$min": ["$not_before", now]},
            }
            document = await self._collection.find_one_and_update(
                {"_id": key, "account_id": account_id},
                [{"$set": changes}],
                return_document=ReturnDocument.AFTER,
            )
        return _delivery(document) if document else None

    async def forget(self, conversion_id: str) -> None:
        """Put a tombstone, with its outbox entry, in the document's place."""
        with outages():
            now = await self._server_time()
            entry = entry_document(wire.EVENTS_TOPIC, wire.confirmation(conversion_id, now))
            key = delivery_key(conversion_id)
            tombstone = {"_id": key, "state": TOMBSTONE, "deleted_at": now, "outbox": [entry]}
            try:
                await self._collection.replace_one({"_id": key}, tombstone, upsert=True)
            except DuplicateKeyError:  # recorded by another notifier since it was looked for
                await self._collection.replace_one({"_id": key}, tombstone)

    async def sweep(self, seconds: float) -> int:
        """Delete tombstones by the server's clock."""
        with outages():
            before = await self._server_time() - timedelta(seconds=seconds)
            result = await self._collection.delete_many(
                {
                    "state": TOMBSTONE,
                    "deleted_at": {"$lte": before},
                    "outbox.0": {"$exists": False},
                }
            )
        return result.deleted_count

    async def claim(self, lease_seconds: float, but_not: Collection[str] = ()) -> Delivery | None:
        """Take the lease of the first due document in one atomic step."""
        changes = {
            "attempts": {"$add": ["$attempts", 1]},
            "fence": NEXT_FENCE,
            "lease_until": _from_now(lease_seconds),
        }
        with outages():
            now = await self._server_time()
            document = await self._collection.find_one_and_update(
                {
                    "_id": {"$nin": list(but_not)},
                    "state": State.PENDING.value,
                    "not_before": {"$lte": now},
                    "lease_until": {"$lte": now},
                },
                [{"$set": changes}],
                sort=[("not_before", 1)],
                return_document=ReturnDocument.AFTER,
            )
        return _delivery(document) if document else None

    async def renew(self, claimed: Delivery, lease_seconds: float) -> bool:
        """Begin the lease anew, if the fencing number still holds."""
        changes = {"lease_until": _from_now(lease_seconds)}
        with outages():
            result = await self._collection.update_one(_held(claimed), [{"$set": changes}])
        return result.matched_count == 1

    async def settle(self, settled: Delivery) -> bool:
        """Write outcome and outbox entry at once, if the fencing number still holds."""
        entry = entry_document(wire.EVENTS_TOPIC, wire.announcement(settled))
        with outages():
            result = await self._collection.update_one(
                _held(settled),
                {
                    "$set": {
                        "state": settled.state.value,
                        "last_error": settled.last_error,
                        "settled_at": settled.settled_at,
                    },
                    "$push": {"outbox": entry},
                },
            )
        return result.matched_count == 1

    async def postpone(self, claimed: Delivery, why: str, seconds: float) -> bool:
        """End the lease and set the next due time by the server's clock."""
        changes = {
            "last_error": {"$literal": why},
            "not_before": _from_now(seconds),
            # Just over: `$$NOW` may be a millisecond ahead of the time that claims go by.
            "lease_until": _from_now(-0.001),
        }
        with outages():
            result = await self._collection.update_one(_held(claimed), [{"$set": changes}])
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
            documents = await self._collection.find(
                query, {"outbox": 0}, sort=NEWEST_FIRST, limit=limit
            ).to_list()
        return [_delivery(document) for document in documents]

    async def _server_time(self) -> datetime:
        # Not `$expr` with `$$NOW`: the embedded store does not know it in queries, and no index
        # serves it. A time that is a moment old can only make a claim late, never early.
        return await server_time(self._collection.database)


def _held(claimed: Delivery) -> Document:
    return {
        "_id": claimed.key,
        "state": State.PENDING.value,
        # Both: a notifier of an earlier version counts nothing but attempts.
        "attempts": claimed.attempts,
        "fence": claimed.fence,
    }


def _if_pending(kept: str, else_set: object) -> Document:
    return {"$cond": [IS_PENDING, kept, else_set]}


def _from_now(seconds: float) -> Document:
    return {
        "$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": int(seconds * 1000)}
    }


def _document(notice: Notice, now: datetime) -> Document:
    return {
        "_id": notice.key,
        "conversion_id": notice.conversion_id,
        "channel": "mail",
        "account_id": notice.account_id,
        "recipient": notice.recipient,
        "outcome": notice.outcome.value,
        "video_filename": notice.video_filename,
        "failure_message": notice.failure_message,
        "traceparent": notice.traceparent,
        "state": State.PENDING.value,
        "attempts": 0,
        "fence": 0,
        "tries_before": 0,
        "last_error": "",
        "requested_at": now,
        "asked_at": now,
        "not_before": now,
        "lease_until": now,
    }


def _delivery(document: Mapping[str, Any] | None) -> Delivery:
    if document is None:
        raise LookupError("a tombstone was swept while its conversion was asked for")
    if document["state"] == TOMBSTONE:
        raise Deleted(document["_id"])
    return Delivery(
        notice=Notice(
            conversion_id=document["conversion_id"],
            account_id=document["account_id"],
            recipient=document["recipient"],
            outcome=Outcome(document["outcome"]),
            video_filename=document["video_filename"],
            failure_message=document["failure_message"],
            traceparent=document["traceparent"],
        ),
        state=State(document["state"]),
        attempts=document["attempts"],
        last_error=document["last_error"],
        requested_at=document["requested_at"],
        # Documents of earlier versions lack these.
        asked_at=document.get("asked_at") or document["requested_at"],
        settled_at=document.get("settled_at"),
        tries_before=document.get("tries_before") or 0,
        fence=document.get("fence", document["attempts"]),
    )
