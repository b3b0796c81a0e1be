"""Change a document of MongoDB, or make it, however many do so at the same moment."""

from __future__ import annotations

from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from tonearm_chassis.errors import Outage
from tonearm_chassis.mongo import Document, outages

ATTEMPTS = 5
Update = Document | list[Document]


async def upsert(
    collection: AsyncCollection[Document], document_id: str, update: Update
) -> Document:
    """Give the document as it is after `update`. Raises `Outage`."""
    for _ in range(ATTEMPTS):
        try:
            with outages():
                stored = await collection.find_one_and_update(
                    {"_id": document_id},
                    update,
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
        except DuplicateKeyError:  # somebody inserted it at the same moment
            continue
        if stored is not None:
            return stored
    raise Outage("mongodb: the same document is inserted again and again")
