"""Keep conversions in MongoDB, each with its outbox in the same document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from gateway_service import metrics, wire
from gateway_service.adapters.conversion_documents import from_document, to_document
from gateway_service.domain import AccountId, Conversion, ConversionId, PageStart
from tonearm_chassis.mongo import Document, outages
from tonearm_chassis.outbox import MongoOutbox, entry_document

COLLECTION = "conversions"


class MongoConversionStore:
    """A `ConversionStore` in the collection `conversions`."""

    def __init__(self, database: AsyncDatabase[Document], remind_seconds: float) -> None:
        """Keep conversions in `database`; each is due for a reminder after `remind_seconds`."""
        self._collection: AsyncCollection[Document] = database[COLLECTION]
        self._silence = timedelta(seconds=remind_seconds)
        self.outbox = MongoOutbox(self._collection)

    async def prepare(self) -> None:
        """Create the indexes. Raises `Outage`."""
        await self.outbox.prepare()
        with outages():
            await self._collection.create_index(
                [("account_id", ASCENDING), ("create_time", DESCENDING), ("_id", DESCENDING)],
                name="newest_first",
            )
            await self._collection.create_index(
                [("account_id", ASCENDING), ("request_id", ASCENDING)],
                name="one_per_request",
                unique=True,
                partialFilterExpression={"request_id": {"$gt": ""}},
            )
            # Only what waits for something has a remind_time.
            await self._collection.create_index("remind_time", name="due", sparse=True)

    async def add(self, conversion: Conversion) -> Conversion:
        """Insert conversion and outbox entry."""
        promised = wire.requested_event(conversion, conversion.create_time)
        document = {
            **to_document(conversion),
            "remind_time": conversion.sign_time + self._silence,
            "outbox": [entry_document(wire.REQUESTS_TOPIC, promised)],
        }
        try:
            with outages():
                await self._collection.insert_one(document)
        except DuplicateKeyError:
            first = await self._find(_taken_by(conversion))
            if first is None:
                raise
            return first
        return conversion

    async def find(self, conversion_id: ConversionId) -> Conversion | None:
        """Find by id."""
        return await self._find({"_id": conversion_id})

    async def find_own(
        self, account_id: AccountId, conversion_id: ConversionId
    ) -> Conversion | None:
        """Find by id and owner in one query."""
        return await self._find({"_id": conversion_id, "account_id": account_id})

    async def page(
        self, account_id: AccountId, size: int, start: PageStart | None
    ) -> Sequence[Conversion]:
        """Read a page off the index."""
        query: dict[str, Any] = {"account_id": account_id}
        if start is not None:
            query["$or"] = [
                {"create_time": {"$lt": start.create_time}},
                {"create_time": start.create_time, "_id": {"$lt": start.id}},
            ]
        with outages():
            documents = (
                await self._collection.find(query)
                .sort([("create_time", DESCENDING), ("_id", DESCENDING)])
                .limit(size)
                .to_list()
            )
        return [from_document(each) for each in documents]

    async def replace(self, old: Conversion, new: Conversion) -> bool:
        """Compare-and-set on the revision."""
        ended = new.is_final and not old.is_final
        changed = to_document(new)
        del changed["_id"]
        update: dict[str, Any] = {"$set": {**changed, "revision": old.revision + 1}}
        if new.is_final and new.notified:
            update["$unset"] = {"remind_time": ""}
        else:
            update["$set"]["remind_time"] = new.sign_time + self._silence
        if ended:
            promised = wire.notification_event(new, new.sign_time)
            update["$push"] = {"outbox": entry_document(wire.NOTIFICATIONS_TOPIC, promised)}
        with outages():
            result = await self._collection.update_one(
                {"_id": old.id, "revision": old.revision}, update
            )
        if result.modified_count and ended:
            metrics.CONVERSIONS.labels(new.state.value).inc()
        return result.modified_count == 1

    async def silent(self, now: datetime, limit: int) -> Sequence[Conversion]:
        """Read what is due off the index."""
        with outages():
            documents = (
                await self._collection.find({"remind_time": {"$lte": now}})
                .sort("remind_time", ASCENDING)
                .limit(limit)
                .to_list()
            )
        return [from_document(each) for each in documents]

    async def remind(self, conversion: Conversion, now: datetime, pause: timedelta) -> None:
        """Push the event that should have had an effect by now; keep only one unsent."""
        if conversion.is_final:
            topic = wire.NOTIFICATIONS_TOPIC
            promised = wire.notification_event(conversion, now)
        else:
            topic = wire.REQUESTS_TOPIC
            promised = wire.requested_event(conversion, now)
        with outages():
            await self._collection.update_one(
                {"_id": conversion.id, "revision": conversion.revision},
                {
                    "$set": {
                        "remind_time": now + pause,
                        "reminders": conversion.reminders + 1,
                        "revision": conversion.revision + 1,
                        "outbox": [entry_document(topic, promised)],
                    }
                },
            )

    async def _find(self, query: dict[str, Any]) -> Conversion | None:
        with outages():
            document = await self._collection.find_one(query)
        return None if document is None else from_document(document)


def _taken_by(conversion: Conversion) -> dict[str, Any]:
    """Ask for what kept a conversion from being inserted."""
    if conversion.request_id:
        return {"account_id": conversion.owner.account_id, "request_id": conversion.request_id}
    # Itself: the driver repeats an insert whose answer was lost, and a store that was killed in
    # between does not know the repeat for one.
    return {"_id": conversion.id}
