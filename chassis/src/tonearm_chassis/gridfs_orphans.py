"""Find chunks in GridFS that no file will ever own: their writer died before its commit."""

from __future__ import annotations

from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import DESCENDING
from pymongo.asynchronous.database import AsyncDatabase

from tonearm_chassis.mongo import Document, outages, server_time

STRETCH = 1000


class OrphanSearch:
    """Goes round the files of one bucket, a stretch at a time.

    A file that is being written has chunks and no file document either; what tells the two apart
    is the age of the newest chunk. That is the store's time less the time in the chunk's id, which
    its writer's clock made: look for ages that are longer than clocks can be apart, and longer
    than a writer may rest.
    """

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Search the bucket `fs` of `database`, whose file ids are texts."""
        self._database = database
        self._after = ""

    async def next(self, older_than_seconds: float) -> list[str]:
        """Look at the next `STRETCH` files, the first after the last; give the orphans' file ids.

        Raises `Outage`; the same stretch comes again then.
        """
        with outages():
            ids = await self._ids()
            orphans = await self._orphans(ids, older_than_seconds)
        self._after = ids[-1] if len(ids) == STRETCH else ""
        return orphans

    @property
    def is_round(self) -> bool:
        """Whether the next stretch is the first."""
        return not self._after

    async def _ids(self) -> list[str]:
        # One command, answered out of the index on (files_id, n): the bytes stay on the disk.
        # Going from id to id by queries would have the embedded store read all of them each time.
        cursor = await self._database["fs.chunks"].aggregate(
            [
                {"$match": {"files_id": {"$gt": self._after}}},
                {"$group": {"_id": "$files_id"}},
                {"$sort": {"_id": 1}},
                {"$limit": STRETCH},
            ]
        )
        return [group["_id"] async for group in cursor]

    async def _orphans(self, ids: list[str], older_than_seconds: float) -> list[str]:
        # Asked after the ids were read: what has been committed since is no orphan.
        files = self._database["fs.files"].find({"_id": {"$in": ids}}, {"_id": 1})
        owned = {file["_id"] async for file in files}
        before = await server_time(self._database) - timedelta(seconds=older_than_seconds)
        return [each for each in ids if each not in owned and await self._is_older(each, before)]

    async def _is_older(self, file_id: str, moment: datetime) -> bool:
        newest = await self._database["fs.chunks"].find_one(
            {"files_id": file_id}, {"_id": 1}, sort=[("n", DESCENDING)]
        )
        # None: deleted meanwhile. Another kind of id was not made by us, and has no age.
        return (
            newest is not None
            and isinstance(newest["_id"], ObjectId)
            and newest["_id"].generation_time < moment
        )


async def gridfs_orphans(database: AsyncDatabase[Document], older_than_seconds: float) -> list[str]:
    """Look at all files of a bucket once; give the orphans' file ids. Raises `Outage`."""
    search = OrphanSearch(database)
    orphans = await search.next(older_than_seconds)
    while not search.is_round:
        orphans += await search.next(older_than_seconds)
    return orphans
