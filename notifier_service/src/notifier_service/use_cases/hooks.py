"""Take notices to endpoints: as signed requests (standardwebhooks.com)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from standardwebhooks import Webhook as Signer

from notifier_service.domain import (
    Delivery,
    NoticeDeferred,
    NoticeRefused,
    UnknownWebhook,
    Webhook,
)
from notifier_service.ports import Courier, Reply, WebhookStore
from notifier_service.use_cases.send import UNRECORDED
from notifier_service.use_cases.webhooks import DELETED, change_webhooks
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

OK = range(200, 300)
REDIRECTS = range(300, 400)
GONE = 410
DISABLED = "the webhook is disabled"
ANSWERED_GONE = "it answered 410 (gone), which says that it wants no more"


class WebhookMessenger:
    """A `Messenger` that makes requests; a repeat has the same `webhook-id`, its delivery's key."""

    def __init__(
        self,
        webhooks: WebhookStore,
        courier: Courier,
        *,
        write: Callable[[Delivery], bytes],
        clock: Clock,
    ) -> None:
        """Send what `write` makes of a delivery through `courier`."""
        self._webhooks = webhooks
        self._courier = courier
        self._write = write
        self._clock = clock

    async def send(self, delivery: Delivery) -> None:
        """Sign it with the secrets of this moment and post it to where the webhook is now."""
        try:
            webhook = await self._webhook(delivery)
            body, now = self._write(delivery), self._clock.now()
            headers = {
                "content-type": "application/json",
                "webhook-id": delivery.key,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": signature(webhook.signing(now), delivery.key, now, body),
            }
            reply = await self._courier.post(webhook.url, headers, body)
            if reply.status == GONE:
                await self._disable(delivery, webhook)
        except Outage as outage:
            log.warning("webhook_waits", cause=str(outage))
            raise NoticeDeferred(UNRECORDED) from outage
        _judge(reply)

    async def _webhook(self, delivery: Delivery) -> Webhook:
        webhooks = await self._webhooks.load(delivery.notice.account_id)
        try:
            webhook = webhooks.get(delivery.route.webhook_id)
        except UnknownWebhook:
            raise NoticeRefused(DELETED) from None
        if not webhook.is_enabled:
            raise NoticeRefused(DISABLED)
        return webhook

    async def _disable(self, delivery: Delivery, webhook: Webhook) -> None:
        log.warning("webhook_disabled", webhook_id=webhook.id)
        try:
            await change_webhooks(
                self._webhooks,
                delivery.notice.account_id,
                lambda all_: all_.changed(webhook.id, lambda each: each.disabled(ANSWERED_GONE)),
            )
        except UnknownWebhook:
            raise NoticeRefused(DELETED) from None


def signature(secrets: Sequence[str], key: str, now: datetime, body: bytes) -> str:
    """Sign a body once with each secret, the way that lets an endpoint change over."""
    return " ".join(Signer(each).sign(key, now, body.decode()) for each in secrets)


def _judge(reply: Reply) -> None:
    if reply.status in OK:
        return
    if reply.status == GONE:
        raise NoticeRefused(ANSWERED_GONE)
    if reply.status in REDIRECTS:
        raise NoticeDeferred(f"it answered {reply.status}, and redirects are not followed")
    # Its words stay where they are: a host that a name leads to by mistake may have secrets.
    raise NoticeDeferred(f"it answered {reply.status}", reply.retry_after_seconds)
