"""Compare the ledger of videos with the files, and with the conversions that need them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from tonearm_chassis.mongo import Document
from tonearm_operations import shapes
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.known_ids import known_ids
from tonearm_operations.stores import Scene, batches, by_id, inside, plain

STORE = "gateway.videos"


async def video_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Walk over the bucket, then over the ledger."""
    async for finding in _files(scene):
        yield finding
    async for batch in batches(scene.stores.ledger.find({}, shapes.ENTRY_FIELDS)):
        ids = [each["_id"] for each in batch]
        files = await by_id(scene.stores.videos["fs.files"], ids, {"_id": 1})
        users = {user for each in batch for user in each.get("users") or ()}
        known = await by_id(scene.stores.conversions, users, {"_id": 1})
        for entry in batch:
            for finding in _judged(scene, entry, files.get(plain(entry["_id"])), known):
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
            files = {plain(each["_id"]): each for each in batch}
            for name in needed.unknown([each for each in files if each not in entries]):
                made = files[name].get("uploadDate")
                if scene.is_old(made):
                    detail = f"{files[name].get('length')} bytes, {scene.age(made)}"
                    yield Finding(Kind.VIDEO_FILE_UNREFERENCED, "videos", name, detail)


def _judged(
    scene: Scene, entry: Document, file: Document | None, known: dict[str, Document]
) -> Iterator[Finding]:
    touched = entry.get("touch_time")
    match entry.get("state"):
        case "RECEIVING":
            if scene.is_old(touched):
                detail = f"half an upload, {scene.age(touched)}"
                yield _finding(Kind.VIDEO_UNFINISHED, entry, detail)
        case "DISCARDED":
            if file is not None and scene.is_old(touched):
                detail = f"DISCARDED, but the file is there, {scene.age(touched)}"
                yield _finding(Kind.VIDEO_UNDISCARDED, entry, detail)
        case state:
            if file is None:
                detail = f"{state}, and there is no file"
                yield _finding(Kind.VIDEO_FILE_MISSING, entry, detail)
            if scene.is_old(touched):
                yield from _uses(scene, entry, known)


def _uses(scene: Scene, entry: Document, known: dict[str, Document]) -> Iterator[Finding]:
    users, expires = entry.get("users") or (), entry.get("expire_time")
    if not users and expires is None:
        yield _finding(Kind.VIDEO_UNUSED, entry, "nobody needs it, and it is not to expire")
    if expires is not None and scene.is_old(expires):
        yield _finding(Kind.VIDEO_UNDISCARDED, entry, f"it has expired, {scene.age(expires)}")
    for user in users:
        if plain(user) not in known:
            detail = f"it is kept for {plain(user)}, and there is no such conversion"
            yield _finding(Kind.VIDEO_USER_UNKNOWN, entry, detail)


def _finding(kind: Kind, entry: Document, detail: str) -> Finding:
    return Finding(kind, STORE, plain(entry["_id"]), detail)
