"""Publish what a document write promised: outbox entries live in the document they tell of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pymongo.asynchronous.collection import AsyncCollection

from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventProducer, UnsendableEvent
from tonearm_chassis.logs import get_log
from tonearm_chassis.mongo import Document, outages

log = get_log(__name__)

POLL_SECONDS = 1.0
BATCH = 100


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An event that waits to be published, and the document it is written in."""

    document_id: str
    topic: str
    envelope: Envelope


class Outbox(Protocol):
    """What is promised and not yet published."""

    async def pending(self, limit: int) -> list[OutboxEntry]:
        """List entries of at most `limit` documents, each document's in the order of promise.

        Raises `Outage`.
        """
        ...

    async def mark_published(self, entry: OutboxEntry) -> None:
        """Forget an entry; a repeat changes nothing. Raises `Outage`."""
        ...


def entry_document(topic: str, envelope: Envelope) -> Document:
    """Write an entry the way `MongoOutbox` reads it; push it to the document's `outbox` array."""
    return {
        "id": envelope.id,
        "topic": topic,
        "type": envelope.type,
        "key": envelope.key,
        "payload": envelope.payload,
        "source": envelope.source,
        "time": envelope.time,
        "traceparent": envelope.traceparent,
        "extensions": [list(pair) for pair in envelope.extensions],
    }


class MongoOutbox:
    """The `outbox` arrays of a collection."""

    def __init__(self, collection: AsyncCollection[Document]) -> None:
        """Read and clear the arrays of `collection`."""
        self._collection = collection

    async def prepare(self) -> None:
        """Create the index that finds pending entries. Raises `Outage`."""
        with outages():
            await self._collection.create_index("outbox.id", name="outbox", sparse=True)

    async def pending(self, limit: int) -> list[OutboxEntry]:
        """List the entries of at most `limit` documents, the oldest promise first."""
        with outages():
            documents = await self._collection.find(
                {"outbox.id": {"$gt": ""}}, {"outbox": 1}, limit=limit
            ).to_list()
        # By their first entries: within a document its own order counts, not its writers' clocks.
        documents.sort(key=lambda document: document["outbox"][0]["time"])
        return [
            _entry(document["_id"], each) for document in documents for each in document["outbox"]
        ]

    async def mark_published(self, entry: OutboxEntry) -> None:
        """Take the entry out of its document."""
        with outages():
            await self._collection.update_one(
                {"_id": entry.document_id}, {"$pull": {"outbox": {"id": entry.envelope.id}}}
            )


def _entry(document_id: str, stored: dict[str, Any]) -> OutboxEntry:
    return OutboxEntry(
        document_id=document_id,
        topic=stored["topic"],
        envelope=Envelope(
            type=stored["type"],
            key=stored["key"],
            payload=bytes(stored["payload"]),
            source=stored["source"],
            time=stored["time"],
            id=stored["id"],
            traceparent=stored["traceparent"],
            extensions=tuple((name, text) for name, text in stored.get("extensions", ())),
        ),
    )


class Relay:
    """A `Background` that publishes what is pending, at once when woken, else every second."""

    def __init__(self, outbox: Outbox, producer: EventProducer) -> None:
        """Publish `outbox` through `producer`."""
        self._outbox = outbox
        self._producer = producer
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Publish now: something was just promised."""
        self._woken.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Relay until `stopping` is set, then once more, unless the bus or the store is away."""
        stop = asyncio.create_task(stopping.wait())
        try:
            working = True
            while not stopping.is_set():
                working = await self._relay()
                if not stopping.is_set():
                    await self._wait(stop)
            if working:
                await self._relay()
        finally:
            stop.cancel()

    async def _wait(self, stop: asyncio.Task[bool]) -> None:
        woken = asyncio.create_task(self._woken.wait())
        await asyncio.wait([woken, stop], timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
        self._woken.clear()

    async def _relay(self) -> bool:
        """Publish until nothing is pending that can be; tell whether bus and store are there."""
        try:
            while entries := await self._outbox.pending(BATCH):
                if not await self._publish(entries):
                    break
        except Outage as error:
            log.warning("relay_waits", cause=str(error))
            return False
        return True

    async def _publish(self, entries: Sequence[OutboxEntry]) -> int:
        """Publish entries and tell how many of them the bus took."""
        published = 0
        for entry in entries:
            try:
                await self._producer.send(entry.topic, entry.envelope)
            except UnsendableEvent:
                # It stays where it is, for people to look at, and must not hold up the others.
                log.exception("event_unsendable", type=entry.envelope.type, id=entry.envelope.id)
                continue
            await self._outbox.mark_published(entry)
            published += 1
        return published
