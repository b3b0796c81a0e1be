"""What the sweeper asks of the collection of conversions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from gateway_service.adapters.conversion_documents import from_document, to_document
from gateway_service.adapters.mongo_conversions import COLLECTION
from gateway_service.domain import FINAL, Conversion, ConversionId, VideoId, never_inserted
from tonearm_chassis.mongo import Document, outages


class MongoConversionRecords:
    """A `ConversionRecords` over what `MongoConversionStore` writes."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Read the conversions in `database`."""
        self._collection: AsyncCollection[Document] = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the indexes. Raises `Outage`."""
        with outages():
            await self._collection.create_index("video.id", name="video")
            for done, time in (
                ("video_released", "video_expire_time"),
                ("audio_expired", "audio_expire_time"),
            ):
                await self._collection.create_index(
                    [(done, ASCENDING), (time, ASCENDING)], name=done
                )
            await self._collection.create_index("delete_time", name="deleted")

    async def unkept(self, limit: int) -> Sequence[Conversion]:
        """Read what ended under version 0.1."""
        ended = [state.value for state in FINAL]
        return await self._list(
            {"state": {"$in": ended}, "video_released": {"$exists": False}}, limit
        )

    async def forestall(self, conversion_id: ConversionId, now: datetime) -> bool:
        """Take its `_id`, which no two documents can have."""
        try:
            with outages():
                await self._collection.insert_one(to_document(never_inserted(conversion_id, now)))
        except DuplicateKeyError:
            with outages():
                found = await self._collection.find_one({"_id": conversion_id}, {"delete_time": 1})
            return found is None or found.get("delete_time") is not None
        return True

    async def done_with_video(self, now: datetime, limit: int) -> Sequence[Conversion]:
        """Read them off the index."""
        return await self._list(
            {"video_released": False, "video_expire_time": {"$lte": now}}, limit
        )

    async def video_released(self, conversion: Conversion) -> None:
        """Set the mark; the revision stays, for nobody else needs to know."""
        await self._mark(conversion, "video_released")

    async def done_with_audio(self, now: datetime, limit: int) -> Sequence[Conversion]:
        """Read them off the index."""
        return await self._list({"audio_expired": False, "audio_expire_time": {"$lte": now}}, limit)

    async def audio_deleted(self, conversion: Conversion) -> None:
        """Set the mark; the revision stays, for nobody else needs to know."""
        await self._mark(conversion, "audio_expired")

    async def forgettable(self, before: datetime, limit: int) -> Sequence[Conversion]:
        """Read them off the index; what waits for something has a `remind_time`."""
        return await self._list(
            {"delete_time": {"$lte": before}, "remind_time": None, "video_released": True}, limit
        )

    async def forget(self, conversion: Conversion) -> None:
        """Delete the document, if it is a tombstone indeed."""
        with outages():
            await self._collection.delete_one({"_id": conversion.id, "delete_time": {"$ne": None}})

    async def users(self, video_id: VideoId) -> Sequence[ConversionId]:
        """Read their ids."""
        with outages():
            documents = await self._collection.find(
                {"video.id": video_id, "video_released": {"$ne": True}}, {"_id": 1}
            ).to_list()
        return [ConversionId(each["_id"]) for each in documents]

    async def _list(self, query: dict[str, Any], limit: int) -> Sequence[Conversion]:
        with outages():
            documents = await self._collection.find(query).limit(limit).to_list()
        return [from_document(each) for each in documents]

    async def _mark(self, conversion: Conversion, name: str) -> None:
        with outages():
            await self._collection.update_one({"_id": conversion.id}, {"$set": {name: True}})
