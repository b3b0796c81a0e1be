"""Keep webhooks in MongoDB: one document an account, so that its limit needs no transaction."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from notifier_service.domain import AccountWebhooks, Secret, Webhook, WebhookState
from tonearm_chassis.mongo import Document, outages

COLLECTION = "webhooks"


class MongoWebhookStore:
    """A `WebhookStore`; the document's `_id` is the account's."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Keep webhooks in `database`."""
        self._collection: AsyncCollection[Document] = database[COLLECTION]

    async def load(self, account_id: str) -> AccountWebhooks:
        """Read the account's document."""
        with outages():
            document = await self._collection.find_one({"_id": account_id})
        if document is None:
            return AccountWebhooks(account_id)
        return AccountWebhooks(
            account_id,
            document["version"],
            tuple(_webhook(each) for each in document["webhooks"]),
            tuple(document["deleted_requests"]),
        )

    async def save(self, webhooks: AccountWebhooks) -> bool:
        """Replace the document if its version is the one that was read."""
        document = {
            "_id": webhooks.account_id,
            "version": webhooks.version + 1,
            "webhooks": [_document(each) for each in webhooks.webhooks],
            "deleted_requests": list(webhooks.deleted_requests),
        }
        with outages():
            if webhooks.version == 0:
                try:
                    await self._collection.insert_one(document)
                except DuplicateKeyError:
                    return False
                return True
            result = await self._collection.replace_one(
                {"_id": webhooks.account_id, "version": webhooks.version}, document
            )
        return result.matched_count == 1


def _document(webhook: Webhook) -> Document:
    return {**asdict(webhook), "state": webhook.state.value}


def _webhook(document: dict[str, Any]) -> Webhook:
    return Webhook(
        id=document["id"],
        url=document["url"],
        state=WebhookState(document["state"]),
        create_time=document["create_time"],
        secrets=tuple(Secret(each["text"], each["expires_at"]) for each in document["secrets"]),
        disable_reason=document["disable_reason"],
        request_id=document["request_id"],
    )
