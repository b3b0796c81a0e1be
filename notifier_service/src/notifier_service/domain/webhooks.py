"""What a webhook is, and what may be done with those of an account."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from notifier_service.domain.addresses import is_public

LONGEST_URL = 2000
SECRETS = 3
OVERLAP = timedelta(days=1)
REMEMBERED_DELETIONS = 100
HOST = re.compile(r"[0-9A-Za-z_.-]{1,253}|\[[0-9A-Fa-f:.]+\]")
MAX_PORT = 65535


class InvalidURL(Exception):
    """No endpoint can be there; the text says why."""


class InvalidRequestId(Exception):
    """A `request_id` must be a UUID."""


class RequestIdReused(Exception):
    """The same `request_id` came with another URL."""


class TooManyWebhooks(Exception):
    """The account has as many as it may have."""


class UnknownWebhook(Exception):
    """The account has no such webhook."""


class WebhookDeleted(Exception):
    """What this `request_id` made was deleted since."""


class WebhookState(Enum):
    """Whether a webhook is told."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True)
class Secret:
    """A key that signs, until `expires_at` if another one has taken its place."""

    text: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint; the first of its `secrets` is the one in force."""

    id: str
    url: str
    state: WebhookState
    create_time: datetime
    secrets: tuple[Secret, ...]
    disable_reason: str = ""
    request_id: str = ""

    @property
    def is_enabled(self) -> bool:
        """Tell whether it is told."""
        return self.state is WebhookState.ENABLED

    def signing(self, now: datetime) -> tuple[str, ...]:
        """List the secrets that sign now, the one in force first."""
        return tuple(
            each.text for each in self.secrets if each.expires_at is None or each.expires_at > now
        )

    def enabled(self) -> Webhook:
        """Tell it from now on."""
        return replace(self, state=WebhookState.ENABLED, disable_reason="")

    def disabled(self, why: str) -> Webhook:
        """Tell it no more."""
        return replace(self, state=WebhookState.DISABLED, disable_reason=why)

    def rotated(self, secret: str, now: datetime) -> Webhook:
        """Put a secret in force; those before it sign for a while longer, but never too many."""
        earlier = (
            each if each.expires_at else replace(each, expires_at=now + OVERLAP)
            for each in self.secrets
            if each.expires_at is None or each.expires_at > now
        )
        return replace(self, secrets=(Secret(secret), *earlier)[:SECRETS])


@dataclass(frozen=True, slots=True)
class AccountWebhooks:
    """The webhooks of one account, oldest first: changed together, so that their limit holds.

    `version` counts the changes; who writes on top of an outdated one is refused by the store.
    `deleted_requests` are the last `request_id`s whose webhooks were deleted.
    """

    account_id: str
    version: int = 0
    webhooks: tuple[Webhook, ...] = ()
    deleted_requests: tuple[str, ...] = ()

    @property
    def enabled_ids(self) -> tuple[str, ...]:
        """Name those that are told."""
        return tuple(each.id for each in self.webhooks if each.is_enabled)

    def get(self, webhook_id: str) -> Webhook:
        """Find one; raises `UnknownWebhook`."""
        for each in self.webhooks:
            if each.id == webhook_id:
                return each
        raise UnknownWebhook("there is no such webhook")

    def made_by(self, request_id: str, url: str) -> Webhook | None:
        """Find what a request made; raises `RequestIdReused` and `WebhookDeleted`."""
        if not request_id:
            return None
        if request_id in self.deleted_requests:
            raise WebhookDeleted("the webhook of this request_id was deleted")
        made = next((each for each in self.webhooks if each.request_id == request_id), None)
        if made is not None and made.url != url:
            raise RequestIdReused("this request_id was used for another URL; choose another one")
        return made

    def plus(self, webhook: Webhook, at_most: int) -> AccountWebhooks:
        """Take one more in; raises `TooManyWebhooks`."""
        if len(self.webhooks) >= at_most:
            raise TooManyWebhooks(f"an account can have {at_most} webhooks")
        return replace(self, webhooks=(*self.webhooks, webhook))

    def minus(self, webhook_id: str) -> AccountWebhooks:
        """Let one go; raises `UnknownWebhook`."""
        gone = self.get(webhook_id)
        deleted = (*self.deleted_requests, gone.request_id) if gone.request_id else ()
        return replace(
            self,
            webhooks=tuple(each for each in self.webhooks if each.id != webhook_id),
            deleted_requests=(deleted or self.deleted_requests)[-REMEMBERED_DELETIONS:],
        )

    def changed(self, webhook_id: str, change: Callable[[Webhook], Webhook]) -> AccountWebhooks:
        """Change one; raises `UnknownWebhook`."""
        self.get(webhook_id)
        return replace(
            self,
            webhooks=tuple(
                change(each) if each.id == webhook_id else each for each in self.webhooks
            ),
        )


def checked_url(text: str, insecure_hosts: frozenset[str]) -> str:
    """Give a URL back that a webhook can have; raises `InvalidURL`.

    What its name leads to is looked at for each request. Only hosts that the operator named may be
    reached without TLS.
    """
    if len(text) > LONGEST_URL:
        raise InvalidURL(f"url must not be longer than {LONGEST_URL} characters")
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise InvalidURL(
            "url must be ASCII without spaces; write other characters in % or xn-- form"
        )
    parts = _parts(text)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and host in insecure_hosts):
        raise InvalidURL("url must begin with https://")
    if "@" in parts.netloc or parts.fragment:
        raise InvalidURL("url must have no credentials and no fragment")
    if host not in insecure_hosts and not _may_be_public(host):
        raise InvalidURL("url must name a host with a public address")
    return text


def _parts(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidURL("url is not a URL") from None
    authority = parts.netloc.rpartition("@")[2]
    name = authority if authority.endswith("]") else authority.rpartition(":")[0] or authority
    if not HOST.fullmatch(name) or (port is not None and not 0 < port <= MAX_PORT):
        raise InvalidURL("url must have a host, and a port that exists")
    return parts


def _may_be_public(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host.rstrip(".") != "localhost"
    return is_public(host)


def checked_request_id(text: str) -> str:
    """Write a request's id the one way that is compared; empty stays empty.

    Raises `InvalidRequestId`.
    """
    if not text:
        return ""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidRequestId("request_id must be a UUID") from None
