"""Tombstones in MongoDB: claims that were called off, in the same collection and outbox."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from pymongo.asynchronous.collection import AsyncCollection

from converter_service import wire
from converter_service.adapters import claim_documents as documents
from converter_service.adapters.claim_documents import CALLED_OFF, DELETED, NEVER, RUNNING
from converter_service.adapters.upsert import upsert
from converter_service.domain import AudioFile, AudioId, CalledOff, ConversionId, Ending
from tonearm_chassis.clock import Clock
from tonearm_chassis.mongo import Document, outages

# What a tombstone has no need of: id, state, fence and time stay, and what waits in the outbox.
BURIED = (
    "order", "owner", "lease_until", "left_behind", "outcome", "create_time", "unsettled",
    "engine_failures", "losses", "losses_alone", "lone_owner", "outages", "shortages",
)  # fmt: skip

JUDGED_BY = ("state", "fence", "left_behind", "outcome.stored")


class MongoTombstoneStore:
    """A `TombstoneStore` over the collection of a `MongoClaimStore`."""

    def __init__(
        self, clock: Clock, collection: AsyncCollection[Document], *, promised: Callable[[], None]
    ) -> None:
        """Call `promised` whenever an event was promised."""
        self._clock = clock
        self._collection = collection
        self._promised = promised

    async def prepare(self) -> None:
        """Create the indexes. Raises `Outage`."""
        with outages():
            for field in ("unsettled", "end_time", "outcome.stored.audio_id"):
                await self._collection.create_index(field, name=field, sparse=True)

    async def call_off(self, conversion_id: ConversionId, ending: Ending) -> None:
        """Close the document, or make a closed one for an order that has yet to come."""
        is_deleted = {"$eq": ["$state", DELETED]}
        await upsert(
            self._collection,
            conversion_id,
            [
                {
                    "$set": {
                        "state": {"$cond": [is_deleted, DELETED, ending.value]},
                        "unsettled": {"$add": [{"$ifNull": ["$unsettled", 0]}, 1]},
                        "fence": {"$ifNull": ["$fence", 0]},
                        "owner": {"$ifNull": ["$owner", documents.NOBODY]},
                        "lease_until": {"$ifNull": ["$lease_until", NEVER]},
                        "end_time": "$$NOW",
                    }
                }
            ],
        )

    async def unsettled(self, limit: int) -> list[CalledOff]:
        """Find them by their mark, and leave those whose holder may still be at work."""
        with outages():
            found = await self._collection.find(
                {"unsettled": {"$gt": 0}, "$expr": documents.IS_LET_GO}, limit=limit
            ).to_list()
        return [_called_off(each) for each in found]

    async def settle(self, called_off: CalledOff) -> None:
        """Strip the document and push the confirmation, unless it was called off again."""
        event = wire.confirmed(
            called_off.conversion_id, called_off.ending, called_off.fence, self._clock.now()
        )
        with outages():
            await self._collection.update_one(
                {
                    "_id": called_off.conversion_id,
                    "state": called_off.ending.value,
                    "unsettled": called_off.call,
                },
                {
                    "$unset": dict.fromkeys(BURIED, ""),
                    "$push": {"outbox": documents.entry(event)},
                },
            )
        self._promised()

    async def forget(self, before: datetime) -> int:
        """Delete what is settled, old, and has nothing left to say."""
        with outages():
            result = await self._collection.delete_many(
                {
                    "end_time": {"$lt": before},
                    "state": {"$in": CALLED_OFF},
                    "unsettled": {"$exists": False},
                    "outbox.id": {"$exists": False},
                }
            )
        return result.deleted_count

    async def unwanted(self, files: Collection[AudioFile]) -> list[AudioId]:
        """Compare each file with the claim of its conversion."""
        ids = list({file.conversion_id for file in files})
        with outages():
            found = await self._collection.find(
                {"_id": {"$in": ids}},
                {"state": 1, "fence": 1, "left_behind": 1, "outcome.stored": 1},
            ).to_list()
        claims = {each["_id"]: each for each in found}
        return [
            file.audio_id
            for file in files
            if (claim := claims.get(file.conversion_id)) and not _is_wanted(file, claim)
        ]

    async def held(self, audio_ids: Collection[AudioId]) -> set[AudioId]:
        """Find what running claims have named, and what has become an outcome since."""
        asked = list(audio_ids)
        with outages():
            found = await self._collection.find(
                {
                    "$or": [
                        {"state": RUNNING, "left_behind": {"$in": asked}},
                        {"outcome.stored.audio_id": {"$in": asked}},
                    ]
                },
                {"left_behind": 1, "outcome.stored": 1, "state": 1},
            ).to_list()
        names = {
            AudioId(name)
            for each in found
            if each["state"] == RUNNING
            for name in each["left_behind"]
        }
        return (names | {kept for each in found if (kept := _kept(each))}) & set(audio_ids)


def _called_off(stored: Document) -> CalledOff:
    audio_ids = {AudioId(each) for each in stored.get("left_behind", ())}
    if (kept := _kept(stored)) is not None:
        audio_ids.add(kept)
    return CalledOff(
        ConversionId(stored["_id"]),
        Ending(stored["state"]),
        stored["fence"],
        frozenset(audio_ids),
        stored["unsettled"],
    )


def _kept(stored: Document) -> AudioId | None:
    audio: Document = stored.get("outcome", {}).get("stored", {})
    return AudioId(audio["audio_id"]) if audio else None


def _is_wanted(file: AudioFile, claim: Document) -> bool:
    if claim["state"] in CALLED_OFF:
        return False
    if file.audio_id == _kept(claim):
        return True
    if file.audio_id in claim.get("left_behind", ()):
        return bool(claim["state"] == RUNNING)
    return bool(file.fence >= claim["fence"])
