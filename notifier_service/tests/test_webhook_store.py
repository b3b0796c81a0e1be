"""The contract of `WebhookStore`, over the fake and over MongoDB."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from notifier_fakes import OWNER, STRANGER, InMemoryWebhookStore
from pymongo import AsyncMongoClient

from notifier_service.adapters.mongo_webhooks import MongoWebhookStore
from notifier_service.domain import AccountWebhooks, Secret, Webhook, WebhookState
from notifier_service.ports import WebhookStore
from tonearm_chassis.errors import Outage
from tonearm_chassis.mongo import Document, connect, database
from tonearm_chassis.testing.mongo import mongo_program, mongo_server

# PyMongo leaves the socket of a monitor that is cancelled while it connects to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
WEBHOOK = Webhook(
    id="w1",
    url="https://hooks.example/$in?key=1",
    state=WebhookState.DISABLED,
    create_time=NOW,
    secrets=(Secret("whsec_2"), Secret("whsec_1", NOW + timedelta(days=1))),
    disable_reason="gone",
    request_id="r1",
)


@pytest.fixture(scope="module")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a MongoDB-compatible server runs."""
    if mongo_program() is None:
        pytest.skip(reason="no MongoDB-compatible server: the secantusdb wheel is not installed")
    with mongo_server(tmp_path_factory.mktemp("mongodb")) as uri:
        yield uri


@pytest.fixture(params=["in_memory", "mongodb"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[WebhookStore]:
    if request.param == "in_memory":
        yield InMemoryWebhookStore()
        return
    client = connect(request.getfixturevalue("mongodb_uri"))
    try:
        yield MongoWebhookStore(database(client, f"notifier-{uuid.uuid4().hex}"))
    finally:
        await client.close()
        gc.collect()


async def test_an_account_begins_without_webhooks(store: WebhookStore) -> None:
    assert await store.load(OWNER) == AccountWebhooks(OWNER)


async def test_what_is_saved_is_loaded_with_every_part_of_it(store: WebhookStore) -> None:
    mine = AccountWebhooks(OWNER, 0, (WEBHOOK,), ("r0",))

    assert await store.save(mine)

    assert await store.load(OWNER) == replace(mine, version=1)
    assert await store.load(STRANGER) == AccountWebhooks(STRANGER)


async def test_whoever_saves_on_top_of_an_outdated_version_changes_nothing(
    store: WebhookStore,
) -> None:
    empty = await store.load(OWNER)
    await store.save(replace(empty, webhooks=(WEBHOOK,)))
    first = await store.load(OWNER)
    await store.save(replace(first, webhooks=()))

    saved = [await store.save(empty), await store.save(first)]

    assert saved == [False, False]
    assert await store.load(OWNER) == AccountWebhooks(OWNER, version=2)


async def test_of_several_who_save_at_once_one_succeeds(store: WebhookStore) -> None:
    for _ in range(2):
        before = await store.load(OWNER)

        saved = await asyncio.gather(
            *(
                store.save(replace(before, webhooks=(replace(WEBHOOK, id=f"w{number}"),)))
                for number in range(8)
            )
        )

        assert saved.count(True) == 1


async def test_a_store_that_is_away_is_an_outage() -> None:
    client = AsyncMongoClient[Document](
        "mongodb://127.0.0.1:9/?directConnection=true", serverSelectionTimeoutMS=50
    )
    store = MongoWebhookStore(database(client, "notifier"))

    try:
        with pytest.raises(Outage):
            await store.load(OWNER)
        with pytest.raises(Outage):
            await store.save(AccountWebhooks(OWNER))
    finally:
        await client.close()
