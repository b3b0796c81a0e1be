"""Read the stores of all services: cursors and batches, never a whole collection, never a write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.asynchronous.database import AsyncDatabase

from tonearm_chassis import mongo
from tonearm_chassis.mongo import Document, outages

BATCH = 500

Database = AsyncDatabase[Document]
Collection = AsyncCollection[Document]


@dataclass(frozen=True, slots=True)
class Stores:
    """The databases of all services, as their owners and those whom they let in name them."""

    gateway: Database
    converter: Database
    notifier: Database
    videos: Database
    audio: Database

    @classmethod
    def of(cls, client: AsyncMongoClient[Document]) -> Stores:
        """Open them on one connection."""
        return cls(
            gateway=mongo.database(client, "gateway"),
            converter=mongo.database(client, "converter"),
            notifier=mongo.database(client, "notifier"),
            videos=mongo.database(client, "videos"),
            audio=mongo.database(client, "audio"),
        )

    @property
    def conversions(self) -> Collection:
        """The gateway's conversions, with its outbox."""
        return self.gateway["conversions"]

    @property
    def ledger(self) -> Collection:
        """The gateway's ledger of videos."""
        return self.gateway["videos"]

    @property
    def claims(self) -> Collection:
        """The converter's claims, with its outbox."""
        return self.converter["claims"]

    @property
    def checkpoints(self) -> Collection:
        """The converter's encoded chunks."""
        return self.converter["checkpoints"]

    @property
    def deliveries(self) -> Collection:
        """The notifier's deliveries by mail, with its outbox."""
        return self.notifier["deliveries"]

    @property
    def webhook_deliveries(self) -> Collection:
        """The notifier's deliveries to webhooks."""
        return self.notifier["webhook_deliveries"]

    async def now(self) -> datetime:
        """Ask the store for its time: this machine's clock may be off. Raises `Outage`."""
        with outages():
            answer = await self.gateway.command("hello")
        moment: datetime = answer["localTime"]
        return moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scene:
    """What every check is given: the stores, their time, and what is too young to judge."""

    stores: Stores
    now: datetime
    grace: timedelta

    def is_old(self, moment: object) -> bool:
        """Tell whether a moment lies further back than the grace; what is none is old."""
        return not isinstance(moment, datetime) or moment < self.now - self.grace

    def age(self, moment: object) -> str:
        """Say how long ago a moment was."""
        if not isinstance(moment, datetime):
            return "of unknown age"
        return f"{(self.now - moment).total_seconds():.0f} s old"


async def batches(
    cursor: AsyncCursor[Document], size: int = BATCH
) -> AsyncIterator[list[Document]]:
    """Read a cursor a batch at a time. Raises `Outage`."""
    batch: list[Document] = []
    with outages():
        async for document in cursor.batch_size(size):
            batch.append(document)
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch


async def by_id(
    collection: Collection, ids: Iterable[object], fields: Document
) -> dict[str, Document]:
    """Find the documents with these ids, each under its id. Raises `Outage`."""
    wanted = [each for each in ids if each is not None]
    if not wanted:
        return {}
    with outages():
        found = await collection.find({"_id": {"$in": wanted}}, fields).to_list()
    return {plain(document["_id"]): document for document in found}


def plain(document_id: object) -> str:
    """Write any id as a text without spaces, for lines and for dictionaries."""
    return "_".join(str(document_id).split()) or "''"


def moment_of(document_id: object) -> datetime | None:
    """Tell when a document was made, if its id knows."""
    return document_id.generation_time if isinstance(document_id, ObjectId) else None


def inside(document: Document, *names: str) -> Any:  # noqa: ANN401 - a stored value has any type
    """Follow names into a document; None where one leads nowhere."""
    value: Any = document
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
