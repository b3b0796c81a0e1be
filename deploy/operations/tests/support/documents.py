"""Documents as the services write them, by hand: the tools know no service, nor do their tests."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

from bson import Binary, ObjectId

from tonearm_chassis.mongo import Document
from tonearm_operations.stores import Collection, Database, Stores

CHUNK_BYTES = 4
CONTENT = b"0123456789"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def name_of(what: str) -> str:
    """Make an id of the kind that services make, the same every time."""
    return uuid.uuid5(uuid.NAMESPACE_URL, what).hex


def hook_of(what: str) -> str:
    """Name the delivery of its notice to the one webhook there is."""
    return f"{name_of(what)}:webhook:w1"


class World:
    """The stores, and everything that belongs to conversions in each state."""

    def __init__(self, stores: Stores, now: datetime) -> None:
        """Fill `stores`, whose clock says `now`."""
        self.stores = stores
        self.now = now
        self.past = now - HOUR

    async def make_healthy(self) -> None:
        """Store one conversion in each of its states, and half an upload."""
        await self.succeeded("succeeded")
        await self.expired("expired")
        await self.failed("failed")
        await self.cancelled("cancelled")
        await self.running("running")
        await self.waiting("waiting")
        await self.deleted("deleted")
        await self.entry("half", state="RECEIVING", touch_time=self.now, users=[])
        await self.chunks(self.stores.videos, name_of("half video"), CONTENT[:8], age=timedelta())

    async def succeeded(self, what: str) -> None:
        """Store a conversion whose owner was told of its MP3."""
        audio = await self.file(self.stores.audio, f"{what} audio")
        stored = {"audio_id": audio, "size_bytes": len(CONTENT), "sha256": digest(CONTENT)}
        await self.uploaded(what)
        await self.conversion(what, state="SUCCEEDED", audio=self.audio_of(audio), **self.over())
        outcome = {"stored": stored, "seconds": 5.0, "end_time": self.past}
        await self.claim(what, state="SUCCEEDED", owner=audio, outcome=outcome)
        await self.delivery(what, outcome="SUCCEEDED", webhook_ids=["w1"], branched=True)
        await self.webhook_delivery(what)

    async def expired(self, what: str) -> None:
        """Store a conversion whose video and audio are kept no longer."""
        await self.succeeded(what)
        await self.remove_file(self.stores.audio, f"{what} audio")
        await self.remove_file(self.stores.videos, f"{what} video")
        gone = {"audio_expire_time": self.past, "audio_expired": True, "video_released": True}
        await self.change(self.stores.conversions, what, **gone)
        await self.stores.ledger.delete_one({"_id": name_of(f"{what} video")})

    async def failed(self, what: str) -> None:
        """Store a conversion whose owner was told that there is no MP3."""
        failure = {"reason": "NO_AUDIO", "message": "The video has no audio track."}
        await self.uploaded(what)
        await self.conversion(what, state="FAILED", failure=failure, **self.over())
        outcome = {**failure, "end_time": self.past}
        await self.claim(what, state="FAILED", outcome=outcome)
        await self.delivery(what, outcome="FAILED")

    async def cancelled(self, what: str) -> None:
        """Store a conversion that was called off, as the converter has confirmed."""
        await self.uploaded(what)
        await self.conversion(
            what, state="CANCELLED", **{**self.over(), "notified": False}, confirmed=["CONVERTER"]
        )
        await self.stores.claims.insert_one(
            {"_id": name_of(what), "state": "CANCELLED", "fence": 1, "end_time": self.past}
        )

    async def running(self, what: str) -> None:
        """Store a conversion that a worker holds, storing audio; its outbox is being sent."""
        await self.uploaded(what)
        entry = self.promise("ConversionRequested", self.now)
        await self.conversion(what, state="RUNNING", sign_time=self.past, outbox=[entry])
        owner = name_of(f"{what} audio")
        lease = self.now + timedelta(seconds=15)
        await self.claim(what, state="RUNNING", owner=owner, lease_until=lease)
        await self.file(self.stores.audio, f"{what} audio")
        await self.chunk(what)

    async def chunk(self, what: str) -> None:
        """Store an encoded chunk of a conversion."""
        names = {"_id": name_of(f"{what} chunk"), "conversion_id": name_of(what)}
        await self.stores.checkpoints.insert_one(
            {**names, "work": "w", "number": 0, "frames": Binary(CONTENT), "kept_at": self.past}
        )

    async def waiting(self, what: str) -> None:
        """Store a conversion that waits for a free worker for an hour."""
        await self.uploaded(what)
        await self.conversion(what, state="QUEUED", sign_time=self.past)
        await self.claim(what, state="RUNNING", owner="", lease_until=self.past, fence=0)

    async def deleted(self, what: str) -> None:
        """Store what is left of a conversion that everybody has forgotten."""
        gone = {"delete_time": self.past, "confirmed": ["CONVERTER", "NOTIFIER"]}
        released = {"video_expire_time": self.past, "video_released": True}
        await self.conversion(what, state="SUCCEEDED", **gone, **released, **self.over())
        stone = {"state": "DELETED", "outbox": []}
        await self.stores.claims.insert_one(
            {"_id": name_of(what), "fence": 1, "end_time": self.past, **stone}
        )
        await self.stores.deliveries.insert_one(
            {"_id": f"{name_of(what)}:mail", "deleted_at": self.past, **stone}
        )
        await self.stores.webhook_deliveries.insert_one(
            {"_id": hook_of(what), "state": "DELETED", "deleted_at": self.past}
        )

    async def uploaded(self, what: str, **fields: object) -> None:
        """Store a whole video that a conversion needs."""
        await self.file(self.stores.videos, f"{what} video")
        await self.entry(what, **fields)

    async def entry(self, what: str, **fields: object) -> None:
        """Store an entry of the ledger."""
        await self.stores.ledger.insert_one(
            {
                "_id": name_of(f"{what} video"),
                "account_id": "account",
                "state": "STORED",
                "touch_time": self.past,
                "users": [name_of(what)],
                # The gateway looks after an hour whether the conversion is there.
                "unsettled": [name_of(what)],
                **fields,
            }
        )

    async def conversion(self, what: str, **fields: object) -> None:
        """Store a conversion."""
        video = {"id": name_of(f"{what} video"), "filename": "a.mp4", "size_bytes": len(CONTENT)}
        await self.stores.conversions.insert_one(
            {
                "_id": name_of(what),
                "account_id": "account",
                "email": "owner@example.org",
                "video": {**video, "sha256": digest(CONTENT)},
                "create_time": self.past,
                "sign_time": self.past,
                "audio": None,
                "failure": None,
                "end_time": None,
                "notified": False,
                "delete_time": None,
                "confirmed": [],
                "video_expire_time": None,
                "video_released": False,
                "audio_expire_time": None,
                "audio_expired": False,
                **fields,
            }
        )

    async def claim(self, what: str, **fields: object) -> None:
        """Store a claim."""
        await self.stores.claims.insert_one(
            {
                "_id": name_of(what),
                "owner": "",
                "lease_until": self.past,
                "fence": 1,
                "losses": 0,
                "left_behind": [],
                "create_time": self.past,
                "order": {"video_id": name_of(f"{what} video")},
                **fields,
            }
        )

    async def delivery(self, what: str, **fields: object) -> None:
        """Store a notice that has arrived by mail."""
        await self._notice(self.stores.deliveries, f"{name_of(what)}:mail", what, **fields)

    async def webhook_delivery(self, what: str, **fields: object) -> None:
        """Store a notice that has arrived at an endpoint."""
        await self._notice(
            self.stores.webhook_deliveries, hook_of(what), what, webhook_id="w1", **fields
        )

    async def _notice(self, collection: Collection, key: str, what: str, **fields: object) -> None:
        await collection.insert_one(
            {
                "_id": key,
                "conversion_id": name_of(what),
                "state": "DELIVERED",
                "attempts": 1,
                "fence": 1,
                "requested_at": self.past,
                "not_before": self.past,
                "lease_until": self.past,
                "settled_at": self.past,
                **fields,
            }
        )

    async def change(self, collection: Collection, document_id: str, **fields: object) -> None:
        """Change fields of a document that is named by its id, or by what it is of."""
        ids = (document_id, name_of(document_id), f"{name_of(document_id)}:mail")
        for each in (*ids, hook_of(document_id)):
            if (await collection.update_one({"_id": each}, {"$set": fields})).matched_count:
                return
        raise AssertionError(f"there is no {document_id}")

    async def file(self, database: Database, what: str) -> str:
        """Store a whole file in GridFS, an hour ago."""
        file_id = name_of(what)
        await self.chunks(database, file_id, CONTENT)
        await database["fs.files"].insert_one(
            {
                "_id": file_id,
                "length": len(CONTENT),
                "chunkSize": CHUNK_BYTES,
                "uploadDate": self.past,
            }
        )
        return file_id

    async def chunks(
        self, database: Database, file_id: object, content: bytes, age: timedelta = HOUR
    ) -> None:
        """Store chunks, as old as that by their ids."""
        await database["fs.chunks"].insert_many(
            [
                {
                    "_id": self.made(age),
                    "files_id": file_id,
                    "n": start // CHUNK_BYTES,
                    "data": Binary(content[start : start + CHUNK_BYTES]),
                }
                for start in range(0, len(content), CHUNK_BYTES)
            ]
        )

    async def remove_file(self, database: Database, what: str) -> None:
        """Delete a file with its chunks."""
        await database["fs.files"].delete_one({"_id": name_of(what)})
        await database["fs.chunks"].delete_many({"files_id": name_of(what)})

    def made(self, age: timedelta) -> ObjectId:
        """Make an id that a driver made so long ago."""
        seconds = int((self.now - age).timestamp())
        return ObjectId(seconds.to_bytes(4, "big") + ObjectId().binary[4:])

    def over(self) -> Document:
        """Say that a conversion ended an hour ago, and its owner knows."""
        return {"end_time": self.past, "notified": True}

    def audio_of(self, audio_id: str) -> Document:
        """Tell of audio as the gateway does."""
        return {"id": audio_id, "size_bytes": len(CONTENT), "sha256": digest(CONTENT)}

    def promise(self, name: str, time: datetime) -> Document:
        """Write an outbox entry."""
        return {"id": uuid.uuid4().hex, "type": f"tonearm.events.v1.{name}", "time": time}


def digest(content: bytes) -> str:
    """Give the SHA-256 that services record."""
    return hashlib.sha256(content).hexdigest()
