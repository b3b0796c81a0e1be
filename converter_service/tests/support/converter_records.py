"""Both kinds of records, in memory and in a real store, for the tests of their contracts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from converter_fakes import LEASE_SECONDS, InMemoryClaimStore, order

from converter_service.adapters.mongo_claims import MongoClaimStore
from converter_service.adapters.mongo_tombstones import MongoTombstoneStore
from converter_service.domain import (
    AudioId,
    Claim,
    Failed,
    FailureReason,
    Order,
    StoredAudio,
    Succeeded,
)
from converter_service.ports import ClaimStore, TombstoneStore
from tonearm.events.v1 import events_pb2
from tonearm_chassis import mongo
from tonearm_chassis.outbox import MongoOutbox, OutboxEntry
from tonearm_chassis.testing.clock import FakeClock

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
FAILED = Failed(FailureReason.NO_AUDIO, "The video has no audio track.", NOW)
SUCCEEDED = Succeeded(
    stored=StoredAudio(AudioId("a" * 32), 1000, "0" * 64),
    seconds=1.5,
    sample_rate_hz=44_100,
    channels=2,
    peak_dbfs=-1.0,
    engine="ffmpeg 9",
    end_time=NOW,
)


@dataclass(frozen=True, slots=True)
class Records:
    """Claims and tombstones, their time machine, and what they promised so far.

    `restore(fence)` is what a backup does: the conversion of order 1 has an older state.
    """

    claims: ClaimStore
    tombstones: TombstoneStore
    pass_time: Callable[[float], Awaitable[None]]
    promised: Callable[[], Awaitable[list[tuple[str, int]]]]
    publish: Callable[[], Awaitable[None]]
    restore: Callable[[int, str], Awaitable[None]]

    async def claimed(
        self, number: int = 1, owner: str = "me", fence_floor: int = 0, *, is_alone: bool = False
    ) -> Claim:
        wanted = order(number, fence_floor=fence_floor)
        claim = await self.claims.claim(wanted, owner, is_alone=is_alone)
        assert isinstance(claim, Claim)
        return claim

    async def due(self, limit: int = 10) -> list[Order]:
        return [each.order for each in await self.claims.due(limit)]

    async def expire_leases(self) -> None:
        await self.pass_time(LEASE_SECONDS)


def in_memory() -> Records:
    """Keep them in dictionaries."""
    clock = FakeClock()
    store = InMemoryClaimStore(clock)

    async def pass_time(seconds: float) -> None:
        clock.advance(seconds)

    async def promised() -> list[tuple[str, int]]:
        return list(store.promised)

    async def publish() -> None:
        store.promised.clear()

    async def restore(fence: int, owner: str) -> None:
        store.restore(order().conversion_id, fence, owner)

    return Records(store, store, pass_time, promised, publish, restore)


async def in_mongodb(uri: str) -> AsyncIterator[Records]:
    """Keep them in a store of their own."""
    async with mongo.connect(uri) as client:
        await client.drop_database("converter")
        collection = mongo.database(client, "converter")["claims"]
        claims = MongoClaimStore(collection, lease_seconds=LEASE_SECONDS, promised=lambda: None)
        tombstones = MongoTombstoneStore(FakeClock(), collection, promised=lambda: None)
        outbox = MongoOutbox(collection)
        for each in (claims, tombstones, outbox):
            await each.prepare()

        async def pass_time(seconds: float) -> None:
            async for each in collection.find({"lease_until": {"$exists": True}}):
                earlier = each["lease_until"] - timedelta(seconds=seconds)
                await collection.update_one(
                    {"_id": each["_id"]}, {"$set": {"lease_until": earlier}}
                )

        async def promised() -> list[tuple[str, int]]:
            return [_told(entry) for entry in await outbox.pending(100)]

        async def publish() -> None:
            for entry in await outbox.pending(100):
                await outbox.mark_published(entry)

        async def restore(fence: int, owner: str) -> None:
            changes = {"state": "RUNNING", "fence": fence, "owner": owner}
            await collection.update_one(
                {"_id": order().conversion_id},
                {"$set": changes, "$unset": {"outcome": "", "outbox": ""}},
            )

        yield Records(claims, tombstones, pass_time, promised, publish, restore)


def _told(entry: OutboxEntry) -> tuple[str, int]:
    """Give the short type of an event and its fence, 0 if it has none."""
    name = entry.envelope.type.rpartition(".")[2]
    message_class: Any = getattr(events_pb2, name, None)
    if message_class is None:
        return name, 0
    return name, getattr(entry.envelope.open(message_class), "fence", 0)
