"""Claims in MongoDB, with their outbox. Server time only."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal

from pymongo.asynchronous.collection import AsyncCollection

from converter_service import wire
from converter_service.adapters import claim_documents as documents
from converter_service.adapters.claim_documents import FINISHED, RUNNING
from converter_service.adapters.upsert import Update, upsert
from converter_service.domain import (
    AudioId,
    Claim,
    ClaimLost,
    ConversionId,
    DueOrder,
    Ending,
    Order,
    Outcome,
    Setback,
)
from converter_service.ports import Standing
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.mongo import Document, outages


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

    async def claim(self, order: Order, owner: str, *, is_alone: bool = False) -> Claim | Standing:
        """Take the conversion in one update that decides, with the server's clock."""
        update = documents.claiming(order, owner, self._lease_seconds, is_alone=is_alone)
        stored = await upsert(self._collection, order.conversion_id, update)
        if stored["state"] != RUNNING:
            return Standing.OVER
        if stored["owner"] != owner:
            return Standing.HELD
        return documents.claim_of(stored, order)

    async def leave(self, order: Order) -> Literal[Standing.OVER] | None:
        """Insert the order as due, unless there is a document already."""
        update = {"$setOnInsert": documents.new_claim(order)}
        stored = await upsert(self._collection, order.conversion_id, update)
        if stored["state"] != RUNNING:
            return Standing.OVER
        if stored["order"].get("fence_floor", 0) < order.fence_floor:
            with outages():
                await self._collection.update_one(
                    {"_id": order.conversion_id, "state": RUNNING},
                    {"$max": {"order.fence_floor": order.fence_floor}},
                )
        return None

    async def due(self, limit: int) -> list[DueOrder]:
        """Find the oldest orders without a lease or a rest that runs."""
        with outages():
            found = await self._collection.find(
                {"state": RUNNING, "$expr": documents.IS_DUE},
                {"order": 1, "losses": 1, "owner": 1},
                sort=[("create_time", 1)],
            ).to_list(limit)
        return [documents.due_order(each) for each in found]

    async def announce_start(self, claim: Claim, start_time: datetime) -> None:
        """Push the event to the claim's outbox."""
        event = wire.started(claim, start_time)
        if not await self._change(claim, {"$push": {"outbox": documents.entry(event)}}):
            raise ClaimLost
        self._promised()

    async def name_audio(self, claim: Claim) -> AudioId:
        """Push a random name."""
        audio_id = AudioId(uuid.uuid4().hex)
        if not await self._change(claim, documents.naming(audio_id)):
            raise ClaimLost
        return audio_id

    async def look(self, claim: Claim) -> None:
        """Read the few fields that decide."""
        with outages():
            stored = await self._collection.find_one(
                {"_id": claim.order.conversion_id}, {"state": 1, "fence": 1, "owner": 1}
            )
        if not documents.is_held(stored, claim) and not documents.is_recorded(stored, claim):
            raise ClaimLost

    async def renew(self, claim: Claim) -> None:
        """Move the end of the lease."""
        later = {"lease_until": documents.from_now(self._lease_seconds)}
        if not await self._change(claim, [{"$set": later}]):
            await self._require_recorded(claim)

    async def finish(self, claim: Claim, outcome: Outcome, *, letter_reason: str = "") -> None:
        """Write outcome, event and letter with one compare-and-set."""
        event = wire.ended(claim.order.conversion_id, claim.fence, outcome)
        entries = [documents.entry(event)]
        if letter_reason:
            letter = wire.dead_letter(claim, letter_reason, outcome.end_time)
            entries.append(documents.entry(letter, wire.DEAD_LETTERS_TOPIC))
        update = {
            "$set": documents.outcome_document(outcome),
            "$push": {"outbox": {"$each": entries}},
        }
        if not await self._change(claim, update):
            await self._require_recorded(claim)
        self._promised()

    async def announce_end(self, conversion_id: ConversionId, fence_floor: int) -> None:
        """Push the event of the end again, unless it still waits."""
        with outages():
            stored = await self._collection.find_one({"_id": conversion_id})
            if stored is None:
                return
            fence = max(stored["fence"], fence_floor)
            if (event := _end(stored, conversion_id, fence)) is None:
                return
            await self._collection.update_one(
                {
                    "_id": conversion_id,
                    "state": stored["state"],
                    "unsettled": {"$exists": False},
                    "outbox.id": {"$ne": event.id},
                },
                {"$push": {"outbox": documents.entry(event)}, "$max": {"fence": fence}},
            )
        self._promised()

    async def release(self, claim: Claim, setback: Setback) -> bool:
        """End the lease after a rest; of what was called off meanwhile, end the holding."""
        attempts = claim.attempts.after(setback)
        changes: Document = {
            "owner": documents.NOBODY,
            "lease_until": documents.from_now(attempts.rest_seconds(setback)),
            **asdict(attempts),
        }
        if await self._change(claim, [{"$set": changes}]):
            return True
        with outages():
            await self._collection.update_one(
                {
                    "_id": claim.order.conversion_id,
                    "state": {"$in": documents.CALLED_OFF},
                    "owner": claim.owner,
                },
                {"$set": {"owner": documents.NOBODY}},
            )
        return False

    async def _change(self, claim: Claim, update: Update) -> bool:
        with outages():
            result = await self._collection.update_one(documents.mine(claim), update)
        return result.matched_count == 1

    async def _require_recorded(self, claim: Claim) -> None:
        """Raise `ClaimLost` unless it is only that the answer to the first write was lost."""
        with outages():
            stored = await self._collection.find_one({"_id": claim.order.conversion_id})
        if not documents.is_recorded(stored, claim):
            raise ClaimLost


def _end(stored: Document, conversion_id: ConversionId, fence: int) -> Envelope | None:
    if stored["state"] in FINISHED and (outcome := documents.outcome_of(stored)):
        return wire.ended(conversion_id, fence, outcome)
    if stored["state"] in documents.CALLED_OFF:
        ended = stored["end_time"].astimezone(UTC)
        return wire.confirmed(conversion_id, Ending(stored["state"]), fence, ended)
    return None
