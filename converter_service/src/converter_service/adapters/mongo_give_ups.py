"""Which conversions were given up lately, in one MongoDB document that all workers share."""

from __future__ import annotations

from pymongo.asynchronous.collection import AsyncCollection

from converter_service.adapters.upsert import upsert
from converter_service.domain import ConversionId
from tonearm_chassis.mongo import Document

DOCUMENT_ID = "give-ups"
WINDOW_MS = 3_600_000

# As a number, because SecantusDB 0.7 takes any stored date for equal to $$NOW.
NOW: Document = {"$toLong": "$$NOW"}
LATELY: Document = {
    "$filter": {
        "input": {"$ifNull": ["$given_up", []]},
        "as": "each",
        "cond": {"$gt": ["$$each.time_ms", {"$subtract": [NOW, WINDOW_MS]}]},
    }
}


class MongoGiveUps:
    """A `GiveUps` that is one document, changed with one write, by the server's clock."""

    def __init__(self, collection: AsyncCollection[Document], *, per_hour: int) -> None:
        """Allow `per_hour` conversions in any hour, whichever workers give them up."""
        self._collection = collection
        self._per_hour = per_hour

    async def take(self, conversion_id: ConversionId) -> bool:
        """Forget what is an hour old, and add the conversion if there is room, in one update."""
        stored = await upsert(self._collection, DOCUMENT_ID, self._taking(conversion_id))
        return any(each["conversion_id"] == conversion_id for each in stored["given_up"])

    def _taking(self, conversion_id: ConversionId) -> list[Document]:
        its_own = {
            "$filter": {
                "input": "$given_up",
                "as": "each",
                "cond": {"$eq": ["$$each.conversion_id", {"$literal": conversion_id}]},
            }
        }
        new = [{"conversion_id": {"$literal": conversion_id}, "time_ms": NOW}]
        is_refused = {"$gte": [{"$size": "$given_up"}, self._per_hour]}
        stays = {"$or": [{"$gt": [{"$size": its_own}, 0]}, is_refused]}
        more = {"$cond": [stays, "$given_up", {"$concatArrays": ["$given_up", new]}]}
        return [{"$set": {"given_up": LATELY}}, {"$set": {"given_up": more}}]
