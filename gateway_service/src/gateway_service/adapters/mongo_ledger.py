"""Keep the ledger of videos in MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from gateway_service.domain import ConversionId, Upload, Video, VideoId
from tonearm_chassis.mongo import Document, outages

COLLECTION = "videos"


class State(Enum):
    """Where a video stands in the ledger."""

    RECEIVING = "RECEIVING"
    STORED = "STORED"
    DISCARDED = "DISCARDED"


RECEIVING, STORED, DISCARDED = (state.value for state in State)


class MongoVideoLedger:
    """A `VideoLedger` in the collection `videos`.

    `users` are the conversions that need a video; `unsettled` those of them of which nobody has
    seen yet that they were inserted.
    """

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Keep the ledger in `database`."""
        self._collection: AsyncCollection[Document] = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the indexes. Raises `Outage`."""
        with outages():
            await self._collection.create_index(
                [("state", ASCENDING), ("touch_time", ASCENDING)], name="idle"
            )
            await self._collection.create_index("unsettled", name="unsettled")
            await self._collection.create_index("users", name="users")

    async def begin(self, video_id: VideoId, now: datetime) -> None:
        """Insert the entry; the driver may have to repeat that."""
        await self._insert(video_id, RECEIVING, (), now)

    async def touch(self, video_id: VideoId, now: datetime) -> bool:
        """Move the time on, while it is RECEIVING."""
        return await self._update(
            {"_id": video_id, "state": RECEIVING}, {"$set": {"touch_time": now}}
        )

    async def store(self, video: Video, user: ConversionId, now: datetime) -> bool:
        """Go from RECEIVING to STORED."""
        return await self._update(
            # The second half: the driver repeats a write whose answer was lost.
            {"_id": video.id, "$or": [{"state": RECEIVING}, {"users": user}]},
            {
                "$set": {
                    "state": STORED,
                    "size": video.size_bytes,
                    "sha256": video.sha256,
                    "touch_time": now,
                    "users": [user],
                    "unsettled": [user],
                }
            },
        )

    async def take(self, video_id: VideoId, user: ConversionId, now: datetime) -> bool:
        """Add a user, while it is STORED and somebody else needs it, too."""
        return await self._update(
            {"_id": video_id, "state": STORED, "users": {"$ne": []}},
            {"$addToSet": {"users": user, "unsettled": user}, "$set": {"touch_time": now}},
        )

    async def settle(self, video_id: VideoId, user: ConversionId) -> None:
        """Take the user out of the doubtful ones."""
        await self._update({"_id": video_id}, {"$pull": {"unsettled": user}})

    async def release(self, video_id: VideoId, user: ConversionId, now: datetime) -> None:
        """Take the user out; `discarded` sees to a video that has none left."""
        await self._update(
            {"_id": video_id, "users": user},
            {"$pull": {"users": user, "unsettled": user}, "$set": {"touch_time": now}},
        )

    async def idle(self, before: datetime, limit: int) -> Sequence[Upload]:
        """Read them off the index."""
        query = {"state": RECEIVING, "touch_time": {"$lte": before}}
        return [
            Upload(VideoId(each["_id"]), each["touch_time"])
            for each in await self._list(query, limit)
        ]

    async def give_up(self, upload: Upload, now: datetime) -> None:
        """Go from RECEIVING to DISCARDED, if it was not touched."""
        await self._update(
            {"_id": upload.video_id, "state": RECEIVING, "touch_time": upload.touch_time},
            {"$set": {"state": DISCARDED, "touch_time": now}},
        )

    async def unsettled(
        self, before: datetime, limit: int
    ) -> Sequence[tuple[VideoId, ConversionId]]:
        """Read them off the index."""
        query = {"unsettled": {"$gt": ""}, "touch_time": {"$lte": before}}
        return [
            (VideoId(each["_id"]), ConversionId(user))
            for each in await self._list(query, limit)
            for user in each["unsettled"]
        ]

    async def discarded(self, limit: int) -> Sequence[VideoId]:
        """Discard whatever has no users left, then list it."""
        with outages():
            await self._collection.update_many(
                {"state": STORED, "users": []}, {"$set": {"state": DISCARDED}}
            )
        return [VideoId(each["_id"]) for each in await self._list({"state": DISCARDED}, limit)]

    async def remove(self, video_id: VideoId) -> None:
        """Delete the entry."""
        with outages():
            await self._collection.delete_one({"_id": video_id, "state": {"$ne": STORED}})

    async def known(self, video_ids: Collection[str]) -> set[str]:
        """Look all of them up at once."""
        with outages():
            documents = await self._collection.find(
                {"_id": {"$in": list(video_ids)}}, {"_id": 1}
            ).to_list()
        return {each["_id"] for each in documents}

    async def adopt(
        self, video_id: VideoId, users: Collection[ConversionId], now: datetime
    ) -> None:
        """Insert an entry that is STORED already."""
        await self._insert(video_id, STORED, users, now)

    async def _insert(
        self, video_id: VideoId, state: str, users: Collection[ConversionId], now: datetime
    ) -> None:
        try:
            with outages():
                await self._collection.insert_one(
                    {
                        "_id": video_id,
                        "state": state,
                        "touch_time": now,
                        "users": list(users),
                        "unsettled": [],
                    }
                )
        except DuplicateKeyError:
            return

    async def _update(self, query: dict[str, Any], update: dict[str, Any]) -> bool:
        with outages():
            result = await self._collection.update_one(query, update)
        return result.matched_count == 1

    async def _list(self, query: dict[str, Any], limit: int) -> Sequence[Document]:
        with outages():
            return await self._collection.find(query).limit(limit).to_list()
