"""Claims in MongoDB: one document a conversion, with its outbox. Server time only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal

from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from converter_service import wire
from converter_service.domain import (
    AudioId,
    Claim,
    ClaimLost,
    ConversionId,
    Failed,
    FailureReason,
    Order,
    Outcome,
    StoredAudio,
    Succeeded,
    VideoId,
)
from converter_service.ports import Standing
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.mongo import Document, outages
from tonearm_chassis.outbox import entry_document

# RUNNING without a lease that runs means: due.
RUNNING, SUCCEEDED, FAILED, CANCELLED = "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"
UPSERT_ATTEMPTS = 5
Update = Document | list[Document]
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

# As numbers, because SecantusDB 0.7 takes any stored date for equal to $$NOW.
IS_DUE: Document = {"$lte": [{"$toLong": "$lease_until"}, {"$toLong": "$$NOW"}]}
IS_FREE: Document = {
    "$or": [
        {"$eq": [{"$type": "$state"}, "missing"]},
        {"$and": [{"$eq": ["$state", RUNNING]}, IS_DUE]},
    ]
}


class MongoClaimStore:
    """A `ClaimStore` over a MongoDB collection."""

    def __init__(
        self,
        collection: AsyncCollection[Document],
        *,
        lease_seconds: float,
        promised: Callable[[], None],
    ) -> None:
        """Keep claims for `lease_seconds`; call `promised` whenever an event was promised."""
        self._collection = collection
        self._lease_seconds = lease_seconds
        self._promised = promised

    async def prepare(self) -> None:
        """Create the index that finds what is due. Raises `Outage`."""
        with outages():
            await self._collection.create_index([("state", 1), ("create_time", 1)], name="due")

    async def claim(self, order: Order, owner: str) -> Claim | Standing:
        """Take the conversion in one update that decides, with the server's clock."""
        changes = {
            "state": RUNNING,
            "owner": owner,
            "lease_until": _from_now(self._lease_seconds),
            "fence": {"$add": [{"$ifNull": ["$fence", 0]}, 1]},
            "engine_failures": {"$ifNull": ["$engine_failures", 0]},
            "create_time": order.create_time,
            "order": {"$literal": _order_document(order)},
        }
        stored = await self._upsert(
            order.conversion_id,
            [
                {"$set": {"is_free": IS_FREE}},
                {
                    "$set": {
                        field: {"$cond": ["$is_free", value, f"${field}"]}
                        for field, value in changes.items()
                    }
                },
                {"$unset": "is_free"},
            ],
        )
        if stored["state"] != RUNNING:
            return Standing.OVER
        if stored["owner"] != owner:
            return Standing.HELD
        return Claim(order, stored["fence"], stored["engine_failures"])

    async def leave(self, order: Order) -> Literal[Standing.OVER] | None:
        """Insert the order as due, unless there is a document already."""
        stored = await self._upsert(
            order.conversion_id,
            {
                "$setOnInsert": {
                    "state": RUNNING,
                    "owner": "",
                    "lease_until": NEVER,
                    "fence": 0,
                    "engine_failures": 0,
                    "create_time": order.create_time,
                    "order": _order_document(order),
                }
            },
        )
        return None if stored["state"] == RUNNING else Standing.OVER

    async def due(self, limit: int) -> list[Order]:
        """Find the oldest orders without a lease that runs."""
        with outages():
            documents = await self._collection.find(
                {"state": RUNNING, "$expr": IS_DUE}, {"order": 1}, sort=[("create_time", 1)]
            ).to_list(limit)
        return [_order(document["order"]) for document in documents]

    async def announce_start(self, claim: Claim, start_time: datetime) -> None:
        """Push the event to the claim's outbox."""
        if not await self._change(claim, {"$push": _entry(wire.started(claim, start_time))}):
            raise ClaimLost
        self._promised()

    async def renew(self, claim: Claim) -> None:
        """Move the end of the lease."""
        is_held = await self._change(
            claim, [{"$set": {"lease_until": _from_now(self._lease_seconds)}}]
        )
        if not is_held and not await self._is_recorded(claim):
            raise ClaimLost

    async def finish(self, claim: Claim, outcome: Outcome) -> None:
        """Write outcome and event with one compare-and-set."""
        conversion_id = claim.order.conversion_id
        event = wire.ended(conversion_id, claim.fence, outcome)
        is_written = await self._change(
            claim, {"$set": _outcome_document(outcome), "$push": _entry(event)}
        )
        if not is_written and not await self._is_recorded(claim):
            raise ClaimLost
        self._promised()

    async def announce_outcome(self, conversion_id: ConversionId) -> None:
        """Push the outcome's event again, unless it still waits."""
        with outages():
            stored = await self._collection.find_one({"_id": conversion_id})
            if stored is None or (outcome := _outcome(stored)) is None:
                return
            event = wire.ended(conversion_id, stored["fence"], outcome)
            await self._collection.update_one(
                {"_id": conversion_id, "outbox.id": {"$ne": event.id}}, {"$push": _entry(event)}
            )
        self._promised()

    async def release(self, claim: Claim, *, rest_seconds: float, engine_failed: bool) -> None:
        """End the lease after a rest."""
        failures = claim.engine_failures + int(engine_failed)
        await self._change(
            claim,
            [
                {
                    "$set": {
                        "owner": "",
                        "lease_until": _from_now(rest_seconds),
                        "engine_failures": failures,
                    }
                }
            ],
        )

    async def call_off(self, conversion_id: ConversionId) -> None:
        """Close the document, or make a closed one for an order that has yet to come."""
        is_over = {"$in": ["$state", [SUCCEEDED, FAILED]]}
        await self._upsert(
            conversion_id,
            [
                {
                    "$set": {
                        "state": {"$cond": [is_over, "$state", CANCELLED]},
                        "fence": {"$ifNull": ["$fence", 0]},
                    }
                }
            ],
        )

    async def _upsert(self, conversion_id: ConversionId, update: Update) -> Document:
        for _ in range(UPSERT_ATTEMPTS):
            try:
                with outages():
                    stored = await self._collection.find_one_and_update(
                        {"_id": conversion_id},
                        update,
                        upsert=True,
                        return_document=ReturnDocument.AFTER,
                    )
            except DuplicateKeyError:  # somebody inserted it at the same moment
                continue
            if stored is not None:
                return stored
        raise Outage("mongodb: the same claim is inserted again and again")

    async def _change(self, claim: Claim, update: Update) -> bool:
        with outages():
            result = await self._collection.update_one(
                {"_id": claim.order.conversion_id, "fence": claim.fence, "state": RUNNING}, update
            )
        return result.matched_count == 1

    async def _is_recorded(self, claim: Claim) -> bool:
        """Tell whether this claim's outcome is there: the answer to the first write was lost."""
        with outages():
            stored = await self._collection.find_one({"_id": claim.order.conversion_id})
        return (
            stored is not None
            and stored["fence"] == claim.fence
            and stored["state"] in (SUCCEEDED, FAILED)
        )


def _from_now(seconds: float) -> Document:
    return {
        "$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": round(seconds * 1000)}
    }


def _entry(event: Envelope) -> Document:
    return {"outbox": entry_document(wire.EVENTS_TOPIC, event)}


def _order_document(order: Order) -> Document:
    return asdict(order)


def _order(stored: Document) -> Order:
    return Order(
        conversion_id=ConversionId(stored["conversion_id"]),
        video_id=VideoId(stored["video_id"]),
        size_bytes=stored["size_bytes"],
        sha256=stored["sha256"],
        bitrate_kbps=stored["bitrate_kbps"],
        create_time=stored["create_time"],
    )


def _outcome_document(outcome: Outcome) -> Document:
    state = SUCCEEDED if isinstance(outcome, Succeeded) else FAILED
    return {"state": state, "outcome": asdict(outcome)}


def _outcome(stored: Document) -> Outcome | None:
    outcome: Document = stored.get("outcome", {})
    match stored["state"]:
        case "SUCCEEDED":
            audio = outcome["stored"]
            return Succeeded(
                **{
                    **outcome,
                    "stored": StoredAudio(
                        AudioId(audio["audio_id"]), audio["size_bytes"], audio["sha256"]
                    ),
                }
            )
        case "FAILED":
            return Failed(FailureReason(outcome["reason"]), outcome["message"], outcome["end_time"])
    return None
