"""Keep the endpoints of accounts."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from notifier_service.domain import (
    AccountWebhooks,
    Position,
    Secret,
    Webhook,
    WebhookState,
    checked_request_id,
    checked_url,
)
from notifier_service.ports import DeliveryStore, WebhookStore
from notifier_service.use_cases.pages import binding_of, checked_size, position_of, token_of
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

TRIES = 20
SECRET_BYTES = 32
DELETED = "the webhook was deleted"


async def change_webhooks(
    store: WebhookStore, account_id: str, change: Callable[[AccountWebhooks], AccountWebhooks]
) -> AccountWebhooks:
    """Change an account's webhooks on top of whatever others do at the same time.

    Raises what `change` raises, and `Outage`.
    """
    for _ in range(TRIES):
        before = await store.load(account_id)
        after = change(before)
        if after is before or await store.save(after):
            return after
    raise Outage("webhooks: too many changes of one account at once")


def make_secret() -> str:
    """Make a key as Standard Webhooks has them."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator allows: webhooks per account, and hosts that need no TLS."""

    at_most: int
    insecure_hosts: frozenset[str] = frozenset()


class CreateWebhook:
    """Take in an endpoint."""

    def __init__(self, store: WebhookStore, terms: Terms, clock: Clock) -> None:
        """Keep endpoints in `store`."""
        self._store = store
        self._terms = terms
        self._clock = clock

    async def __call__(self, account_id: str, url: str, request_id: str) -> Webhook:
        """Make a webhook, or find what the same request made before.

        Raises `InvalidURL`, `InvalidRequestId`, `RequestIdReused`, `WebhookDeleted` and
        `TooManyWebhooks`.
        """
        checked_url(url, self._terms.insecure_hosts)
        request = checked_request_id(request_id)
        new = Webhook(
            id=uuid.uuid4().hex,
            url=url,
            state=WebhookState.ENABLED,
            create_time=self._clock.now(),
            secrets=(Secret(make_secret()),),
            request_id=request,
        )

        def add(webhooks: AccountWebhooks) -> AccountWebhooks:
            if webhooks.made_by(request, url):
                return webhooks
            return webhooks.plus(new, self._terms.at_most)

        after = await change_webhooks(self._store, account_id, add)
        made = after.made_by(request, url) or new
        log.info("webhook_created", webhook_id=made.id)
        return made


class GetWebhook:
    """Show a webhook."""

    def __init__(self, store: WebhookStore) -> None:
        """Look into `store`."""
        self._store = store

    async def __call__(self, account_id: str, webhook_id: str) -> Webhook:
        """Find one of the account's own; raises `UnknownWebhook`."""
        return (await self._store.load(account_id)).get(webhook_id)


@dataclass(frozen=True, slots=True)
class WebhookPage:
    """A part of a list; an empty `next_token` marks the last one."""

    webhooks: tuple[Webhook, ...]
    next_token: str


class ListWebhooks:
    """List an account's webhooks."""

    def __init__(self, store: WebhookStore) -> None:
        """Look into `store`."""
        self._store = store

    async def __call__(self, account_id: str, page_size: int, page_token: str) -> WebhookPage:
        """List a page of the account's own, newest first (AIP-158).

        Raises `InvalidPageSize` and `InvalidPageToken`.
        """
        size, binding = checked_size(page_size), binding_of(account_id, "", "webhooks")
        after = position_of(page_token, binding) if page_token else None
        found = [
            each
            for each in sorted((await self._store.load(account_id)).webhooks, key=_place)[::-1]
            if after is None or _place(each) < (after.requested_at, after.key)
        ]
        shown = tuple(found[:size])
        token = token_of(Position(*_place(shown[-1])), binding) if len(found) > size else ""
        return WebhookPage(shown, token)


class DeleteWebhook:
    """Let an endpoint go."""

    def __init__(self, store: WebhookStore, deliveries: DeliveryStore) -> None:
        """Take it out of `store`, and what is on its way out of `deliveries`."""
        self._store = store
        self._deliveries = deliveries

    async def __call__(self, account_id: str, webhook_id: str) -> None:
        """Delete one of the account's own; raises `UnknownWebhook`.

        What is recorded for it by somebody at this moment is given up when it is due.
        """
        await change_webhooks(self._store, account_id, lambda all_: all_.minus(webhook_id))
        given_up = await self._deliveries.give_up(account_id, webhook_id, DELETED)
        log.info("webhook_deleted", webhook_id=webhook_id, given_up=given_up)


class EnableWebhook:
    """Tell an endpoint again that was disabled."""

    def __init__(self, store: WebhookStore) -> None:
        """Change it in `store`."""
        self._store = store

    async def __call__(self, account_id: str, webhook_id: str) -> Webhook:
        """Enable one of the account's own; raises `UnknownWebhook`. A repeat changes nothing."""
        after = await change_webhooks(
            self._store, account_id, lambda all_: all_.changed(webhook_id, Webhook.enabled)
        )
        return after.get(webhook_id)


class RotateSecret:
    """Give an endpoint another key."""

    def __init__(self, store: WebhookStore, clock: Clock) -> None:
        """Change it in `store`."""
        self._store = store
        self._clock = clock

    async def __call__(self, account_id: str, webhook_id: str) -> Webhook:
        """Put a new secret in force; raises `UnknownWebhook`. Those before it sign for a day."""
        secret, now = make_secret(), self._clock.now()
        after = await change_webhooks(
            self._store,
            account_id,
            lambda all_: all_.changed(webhook_id, lambda each: each.rotated(secret, now)),
        )
        log.info("webhook_secret_rotated", webhook_id=webhook_id)
        return after.get(webhook_id)


def _place(webhook: Webhook) -> tuple[datetime, str]:
    return webhook.create_time, webhook.id
