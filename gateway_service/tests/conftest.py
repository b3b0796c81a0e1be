"""What the gateway's tests share: a real store to test against."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from tonearm_chassis.mongo import Document, connect, database
from tonearm_chassis.testing.mongo import mongo_program, mongo_server


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if mongo_program() is None:
        pytest.skip(reason="no MongoDB-compatible server: the secantusdb wheel is not installed")
    with mongo_server(tmp_path_factory.mktemp("mongo")) as uri:
        yield uri


@pytest.fixture
async def mongodb(mongodb_uri: str) -> AsyncIterator[AsyncDatabase[Document]]:
    client = connect(mongodb_uri)
    yield database(client, f"test_{uuid.uuid4().hex}")
    await client.close()
