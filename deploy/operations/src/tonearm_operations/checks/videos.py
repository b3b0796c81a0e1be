"""Compare the ledger of videos with the files, and with the conversions that need them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from pymongo import DESCENDING

from tonearm_chassis.mongo import Document, outages
from tonearm_operations import shapes
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.known_ids import known_ids
from tonearm_operations.stores import Scene, batches, by_id, inside, moment_of, plain

STORE = "gateway.videos"


async def video_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Walk over the bucket, then over the ledger."""
    async for finding in _files(scene):
        yield finding
    async for batch in batches(scene.stores.ledger.find({}, shapes.ENTRY_FIELDS)):
        ids = [each["_id"] for each in batch]
        files = await by_id(scene.stores.videos["fs.files"], ids, {"_id": 1})
        users = {user for each in batch for user in each.get("users") or ()}
        known = await by_id(scene.stores.conversions, users, shapes.USER_FIELDS)
        live = await _still_written(scene, batch)
        for entry in batch:
            if plain(entry["_id"]) in live:
                continue
            for finding in _judged(scene, entry, files.get(plain(entry["_id"])), known):
                yield finding


async def _still_written(scene: Scene, batch: list[Document]) -> set[str]:
    """Name the uploads whose bytes came within the grace: entries are touched now and then only."""
    found = set()
    chunks = scene.stores.videos["fs.chunks"]
    for entry in batch:
        if entry.get("state") == "RECEIVING" and scene.is_old(entry.get("touch_time")):
            with outages():
                last = await chunks.find_one(
                    {"files_id": entry["_id"]}, {"_id": 1}, sort=[("n", DESCENDING)]
                )
            if last is not None and not scene.is_old(moment_of(last["_id"])):
                found.add(plain(entry["_id"]))
    return found


async def videos_written(scene: Scene, file_ids: list[object]) -> set[str]:
    """Name those that the ledger is receiving or throwing away: their entries are judged."""
    entries = await by_id(scene.stores.ledger, file_ids, {"state": 1})
    return {name for name, entry in entries.items() if entry.get("state") != "STORED"}


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
            if scene.is_old(touched):
                rest = "and so is the file" if file else "though there is no file"
                detail = f"DISCARDED, but still here, {rest}, {scene.age(touched)}"
                yield _finding(Kind.VIDEO_UNDISCARDED, entry, detail)
        case state:
            if file is None:
                detail = f"{state}, and there is no file"
                yield _finding(Kind.VIDEO_FILE_MISSING, entry, detail)
            if scene.is_old(touched):
                yield from _uses(entry, known)


def _uses(entry: Document, known: dict[str, Document]) -> Iterator[Finding]:
    users = [plain(each) for each in entry.get("users") or ()]
    if not users:
        yield _finding(Kind.VIDEO_UNUSED, entry, "nobody needs it")
    doubtful = {plain(each) for each in entry.get("unsettled") or ()}
    for user in users:
        conversion = known.get(user)
        if conversion is None and user in doubtful:
            detail = f"it was stored for {user}, which was never inserted"
            yield _finding(Kind.VIDEO_UNSETTLED, entry, detail)
        elif conversion is None or conversion.get("video_released"):
            why = "there is no such conversion" if conversion is None else "it does not need it"
            yield _finding(Kind.VIDEO_USER_WRONG, entry, f"it is kept for {user}, and {why}")


def _finding(kind: Kind, entry: Document, detail: str) -> Finding:
    return Finding(kind, STORE, plain(entry["_id"]), detail)
