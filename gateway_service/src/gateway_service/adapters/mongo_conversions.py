"""Keep conversions in MongoDB, each with its outbox in the same document."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from gateway_service import metrics, wire
from gateway_service.adapters.conversion_documents import from_document, to_document
from gateway_service.domain import AccountId, Awaited, Conversion, ConversionId, PageStart
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
        document = {
            **to_document(conversion),
            "remind_time": conversion.sign_time + self._silence,
            "outbox": _promises(conversion, conversion.awaited, conversion.create_time),
        }
        try:
            with outages():
                await self._collection.insert_one(document)
        except DuplicateKeyError:
            # Itself, if the driver repeats an insert whose answer was lost, and a store that was
            # killed in between does not know the repeat for one; or the tombstone in its place.
            first = await self.find(conversion.id)
            if first is None and conversion.request_id:
                first = await self.find_request(conversion.owner.account_id, conversion.request_id)
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
        return await self._find(
            {"_id": conversion_id, "account_id": account_id, "delete_time": None}
        )

    async def find_request(self, account_id: AccountId, request_id: str) -> Conversion | None:
        """Find by the pair that is unique."""
        return await self._find({"account_id": account_id, "request_id": request_id})

    async def page(
        self, account_id: AccountId, size: int, start: PageStart | None
    ) -> Sequence[Conversion]:
        """Read a page off the index."""
        query: dict[str, Any] = {"account_id": account_id, "delete_time": None}
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
        if new.awaited:
            update["$set"]["remind_time"] = new.sign_time + self._silence
        else:
            update["$unset"] = {"remind_time": ""}
        if owed := new.awaited - old.awaited:
            # What was promised before is overtaken; and a tombstone must not name anybody.
            update["$set"]["outbox"] = _promises(new, owed, new.sign_time)
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
        """Promise what should have had an effect by now; keep only one of each unsent."""
        with outages():
            await self._collection.update_one(
                {"_id": conversion.id, "revision": conversion.revision},
                {
                    "$set": {
                        "remind_time": now + pause,
                        "reminders": conversion.reminders + 1,
                        "revision": conversion.revision + 1,
                        "outbox": _promises(conversion, conversion.awaited, now),
                    }
                },
            )

    async def rush(self, now: datetime) -> None:
        """Write one time into all that have a later one."""
        with outages():
            await self._collection.update_many(
                {"remind_time": {"$gt": now}}, {"$set": {"remind_time": now}}
            )

    async def _find(self, query: dict[str, Any]) -> Conversion | None:
        with outages():
            document = await self._collection.find_one(query)
        return None if document is None else from_document(document)


def _promises(
    conversion: Conversion, awaited: Collection[Awaited], now: datetime
) -> list[Document]:
    """Write the outbox entries that ask for these."""
    return [
        entry_document(*wire.promise(conversion, each, now))
        for each in sorted(awaited, key=lambda each: each.value)
    ]
