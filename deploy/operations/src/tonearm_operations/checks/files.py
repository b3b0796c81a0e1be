"""Compare the files of a GridFS bucket with its chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pymongo import ASCENDING

from tonearm_chassis.mongo import Document, outages
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.stores import (
    BATCH,
    Collection,
    Database,
    Scene,
    batches,
    by_id,
    moment_of,
    plain,
)

CHUNK_BATCH = 1000


@dataclass(slots=True)
class Chunks:
    """The chunks of one file, as far as the walk has come."""

    files_id: object
    count: int = 0
    total: int = 0
    largest: int = 0
    last: int = 0
    is_whole: bool = True
    newest: datetime | None = None

    def take(self, chunk: Document) -> None:
        """Count one more, in the order of their numbers."""
        size = chunk.get("size") or 0
        self.is_whole &= chunk.get("n") == self.count
        self.count += 1
        self.total += size
        self.largest = max(self.largest, size)
        self.last = size
        made = moment_of(chunk["_id"])
        self.newest = max(filter(None, (self.newest, made)), default=None)


class Writing(Protocol):
    """Tells which files are still being written, however slowly, or about to be removed."""

    async def __call__(self, file_ids: list[object]) -> set[str]:
        """Give those of `file_ids` that somebody accounts for. Raises `Outage`."""
        ...


async def file_findings(
    scene: Scene, store: str, database: Database, writing: Writing
) -> AsyncIterator[Finding]:
    """Find chunks without a file, files without chunks, and files that do not add up."""
    files, chunks = database["fs.files"], database["fs.chunks"]
    async for some in _groups(chunks):
        known = await by_id(files, [each.files_id for each in some], {"length": 1, "chunkSize": 1})
        lonely = [each.files_id for each in some if plain(each.files_id) not in known]
        excused = await writing(lonely) if lonely else set()
        for each in some:
            if plain(each.files_id) in excused:
                continue
            for finding in _judged(scene, store, each, known.get(plain(each.files_id))):
                yield finding
    async for batch in batches(files.find({"length": {"$ne": 0}}, {"_id": 1})):
        ids = [each["_id"] for each in batch]
        with outages():
            firsts = await chunks.find(
                {"files_id": {"$in": ids}, "n": 0}, {"files_id": 1}
            ).to_list()
        present = {plain(each["files_id"]) for each in firsts}
        for each in ids:
            if plain(each) not in present and not await _has_chunks(chunks, each):
                yield Finding(
                    Kind.FILE_WITHOUT_CHUNKS, store, plain(each), "there is no chunk of it"
                )


async def _has_chunks(chunks: Collection, files_id: object) -> bool:
    with outages():
        return await chunks.find_one({"files_id": files_id}, {"_id": 1}) is not None


async def _groups(chunks: Collection) -> AsyncIterator[list[Chunks]]:
    """Walk over all chunks in the order of their index, a batch of files at a time."""
    cursor = chunks.find({}, {"files_id": 1, "n": 1, "size": {"$binarySize": "$data"}}).sort(
        [("files_id", ASCENDING), ("n", ASCENDING)]
    )
    groups: list[Chunks] = []
    async for batch in batches(cursor, CHUNK_BATCH):
        for chunk in batch:
            files_id = chunk.get("files_id")
            if not groups or groups[-1].files_id != files_id:
                if len(groups) == BATCH:
                    yield groups
                    groups = []
                groups.append(Chunks(files_id))
            groups[-1].take(chunk)
    if groups:
        yield groups


def _judged(scene: Scene, store: str, chunks: Chunks, file: Document | None) -> Iterator[Finding]:
    name = plain(chunks.files_id)
    if file is None:
        if scene.is_old(chunks.newest):  # else it may still be written
            detail = f"{chunks.count} chunks, {chunks.total} bytes, {scene.age(chunks.newest)}"
            yield Finding(Kind.ORPHAN_CHUNKS, store, name, detail)
        return
    length, size = file.get("length") or 0, file.get("chunkSize") or 1
    count = -(-length // size)
    if not chunks.is_whole or chunks.count != count:
        detail = f"{chunks.count} chunks of {count}, numbers {_in_order(chunks)}"
        yield Finding(Kind.CHUNK_COUNT_WRONG, store, name, detail)
    elif not _adds_up(chunks, length, size):
        detail = f"{chunks.total} bytes of {length}, the last chunk {chunks.last}"
        yield Finding(Kind.CHUNK_LENGTH_WRONG, store, name, detail)


def _adds_up(chunks: Chunks, length: int, size: int) -> bool:
    # Equal in sum, none above its size, and the last as long as it must be: then all are.
    last = length - (chunks.count - 1) * size
    return (chunks.total, chunks.last) == (length, last) and chunks.largest <= size


def _in_order(chunks: Chunks) -> str:
    return "in order" if chunks.is_whole else "with gaps"
