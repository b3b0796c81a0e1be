"""Find finished audio that nobody will ever ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tonearm_chassis.mongo import outages
from tonearm_operations import shapes
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.known_ids import KnownIds, known_ids
from tonearm_operations.stores import Scene, batches, inside, plain


async def audio_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Compare the bucket's files with what conversions and claims name."""
    with known_ids() as known:
        await _collect(scene, known)
        cursor = scene.stores.audio["fs.files"].find({}, {"length": 1, "uploadDate": 1})
        async for batch in batches(cursor):
            files = {plain(each["_id"]): each for each in batch}
            for name in known.unknown(list(files)):
                file = files[name]
                if scene.is_old(file.get("uploadDate")):
                    detail = f"{file.get('length')} bytes, {scene.age(file.get('uploadDate'))}"
                    yield Finding(Kind.AUDIO_UNREFERENCED, "audio", name, detail)


async def audio_written(scene: Scene, file_ids: list[object]) -> set[str]:
    """Name those that the holders of claims are storing."""
    holding = {"state": "RUNNING", "owner": {"$in": file_ids}}
    with outages():
        found = await scene.stores.claims.find(holding, {"owner": 1}).to_list()
    return {plain(each["owner"]) for each in found}


async def _collect(scene: Scene, known: KnownIds) -> None:
    conversions = scene.stores.conversions.find({"audio.id": {"$gt": ""}}, {"audio.id": 1})
    async for batch in batches(conversions):
        known.add(plain(inside(each, "audio", "id")) for each in batch)
    # A claim knows its audio before the gateway hears of it, and until it is cleaned up.
    claims = scene.stores.claims.find({}, shapes.AUDIO_FIELDS)
    async for batch in batches(claims):
        known.add(plain(name) for each in batch for name in shapes.audio_of(each))
