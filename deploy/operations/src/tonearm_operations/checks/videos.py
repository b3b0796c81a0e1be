"""Compare the ledger of videos with the files, and with the conversions that need them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from tonearm_chassis.mongo import Document
from tonearm_operations import shapes
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.known_ids import known_ids
from tonearm_operations.stores import Scene, batches, by_id, inside, plain

STORE = "gateway.videos"
ENTRY_FIELDS = {"state": 1, "users": 1, "touch_time": 1, "expire_time": 1}


async def video_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Walk over the bucket, then over the ledger."""
    async for finding in _files(scene):
        yield finding
    async for batch in batches(scene.stores.ledger.find({}, ENTRY_FIELDS)):
        ids = [each["_id"] for each in batch]
        files = await by_id(scene.stores.videos["fs.files"], ids, {"_id": 1})
        users = {user for each in batch for user in each.get("users") or ()}
        known = await by_id(scene.stores.conversions, users, {"_id": 1})
        for entry in batch:
            for finding in _judged(scene, entry, plain(entry["_id"]) in files, known):
                yield finding


async def _files(scene: Scene) -> AsyncIterator[Finding]:
    """Find files that neither the ledger nor a conversion under way knows."""
    with known_ids() as needed:
        under_way = scene.stores.conversions.find(
            {"state": {"$nin": sorted(shapes.FINAL)}}, {"video.id": 1}
        )
        async for batch in batches(under_way):
            needed.add(plain(inside(each, "video", "id")) for each in batch)
        bucket = scene.stores.videos["fs.files"]
        async for batch in batches(bucket.find({}, {"length": 1, "uploadDate": 1})):
            ids = [each["_id"] for each in batch]
            entries = await by_id(scene.stores.ledger, ids, {"state": 1})
            files = {
                plain(each["_id"]): each for each in batch if plain(each["_id"]) not in entries
            }
            for name in needed.unknown(list(files)):
                made = files[name].get("uploadDate")
                if scene.is_old(made):
                    detail = f"{files[name].get('length')} bytes, {scene.age(made)}"
                    yield Finding(Kind.VIDEO_FILE_UNREFERENCED, "videos", name, detail)


def _judged(
    scene: Scene,
    entry: Document,
    has_file: bool,
    known: dict[str, Document],
) -> Iterator[Finding]:
    name, state, users = plain(entry["_id"]), entry.get("state"), entry.get("users") or []
    touched = entry.get("touch_time")
    if state == "RECEIVING":
        if scene.is_old(touched):
            detail = f"no byte came for longer than the grace, {scene.age(touched)}"
            yield Finding(Kind.VIDEO_UNFINISHED, STORE, name, detail)
        return
    if state == "DISCARDED":
        if has_file and scene.is_old(touched):
            detail = f"DISCARDED, but the file is there, {scene.age(touched)}"
            yield Finding(Kind.VIDEO_UNDISCARDED, STORE, name, detail)
        return
    if not has_file:
        yield Finding(Kind.VIDEO_FILE_MISSING, STORE, name, f"{state}, and there is no file")
    if not scene.is_old(touched):
        return
    if not users and entry.get("expire_time") is None:
        yield Finding(Kind.VIDEO_UNUSED, STORE, name, f"{state}, and nobody needs it")
    for user in users:
        if plain(user) not in known:
            detail = f"it is kept for {plain(user)}, and there is no such conversion"
            yield Finding(Kind.VIDEO_USER_UNKNOWN, STORE, name, detail)
    expires = entry.get("expire_time")
    if expires is not None and scene.is_old(expires):
        yield Finding(Kind.VIDEO_UNDISCARDED, STORE, name, f"it expired, {scene.age(expires)}")
