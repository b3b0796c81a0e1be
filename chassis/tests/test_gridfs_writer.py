"""A file's last write, whose answer may be lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from tonearm_chassis import mongo
from tonearm_chassis.gridfs_writer import GridFSWriter, prepare_gridfs
from tonearm_chassis.mongo import Document


class Forgetful:
    """A store that gets every document twice, as when a first answer was lost, and forgot that."""

    def __init__(self, inner: AsyncDatabase[Document] | AsyncCollection[Document]) -> None:
        self._inner = inner

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - it passes for the driver's
        return Forgetful(self._inner[name]) if name == "fs.files" else self._inner[name]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        return getattr(self._inner, name)

    async def insert_one(self, document: Document) -> None:
        for _ in range(2):
            await self._inner.insert_one(document)


@pytest.fixture
async def bucket(mongodb_uri: str) -> AsyncIterator[AsyncDatabase[Document]]:
    client = mongo.connect(mongodb_uri)
    name = f"writer-{uuid4().hex[:8]}"
    await prepare_gridfs(mongo.database(client, name))
    yield mongo.database(client, name)
    await client.drop_database(name)
    await client.close()


async def test_a_file_that_is_refused_because_it_is_there_is_there(
    bucket: AsyncDatabase[Document],
) -> None:
    forgetful: Any = Forgetful(bucket)
    writer = GridFSWriter(forgetful, "mine", "video", {"of": "me"})
    await writer.write(b"bytes")

    await writer.commit()

    assert await bucket["fs.files"].count_documents({"_id": "mine", "length": 5}) == 1


async def test_an_id_that_another_file_has_is_refused(bucket: AsyncDatabase[Document]) -> None:
    first, second = (GridFSWriter(bucket, "taken", "video") for _ in range(2))
    await first.commit()
    await second.write(b"others")

    with pytest.raises(DuplicateKeyError):
        await second.commit()
