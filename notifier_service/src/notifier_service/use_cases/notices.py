"""Take requests to tell an owner, and forget them, and repeat them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from notifier_service.domain import (
    BY_MAIL,
    Deleted,
    Delivery,
    Notice,
    Route,
    State,
    UnknownDelivery,
)
from notifier_service.ports import DeliveryStore, WebhookStore
from tonearm_chassis.logs import get_log

log = get_log(__name__)


class RequestNotice:
    """Take a request to tell an owner."""

    def __init__(
        self,
        store: DeliveryStore,
        webhooks: WebhookStore,
        *,
        wake_senders: Callable[[], None],
        wake_relay: Callable[[], None],
    ) -> None:
        """Record in `store` what goes to whom, then wake whoever has work now."""
        self._store = store
        self._webhooks = webhooks
        self._wake_senders = wake_senders
        self._wake_relay = wake_relay

    async def __call__(self, notice: Notice) -> None:
        """Record the notice; when this returns, it will be sent by mail and to each webhook.

        A repeat makes no second one, nor any for a webhook that was made since: if the mail was
        settled, the gateway is only told so again. If the conversion was deleted meanwhile, it is
        only told that once more.
        """
        webhooks = await self._webhooks.load(notice.account_id)
        try:
            delivery = await self._store.record(notice, webhooks.enabled_ids)
        except Deleted:
            await self._store.forget(notice.conversion_id)
            self._wake_relay()
            return
        # Whoever sends the mail does the same first, so it gets done if we die here.
        if delivery.unrecorded:
            await self._store.branch(delivery)
        if delivery.state is State.PENDING:
            self._wake_senders()
            return
        await self._store.announce(delivery)
        self._wake_relay()


class ForgetConversion:
    """Let go of all that is kept of a deleted conversion."""

    def __init__(self, store: DeliveryStore, *, wake_relay: Callable[[], None]) -> None:
        """Forget in `store`, then wake whoever tells the gateway."""
        self._store = store
        self._wake_relay = wake_relay

    async def __call__(self, conversion_id: str) -> None:
        """Forget the conversion and confirm it; a repeat only confirms again.

        What is under way at this moment may still arrive; it is not recorded.
        """
        await self._store.forget(conversion_id)
        self._wake_relay()


class SweepTombstones:
    """Forget at last also that something was forgotten."""

    def __init__(self, store: DeliveryStore, *, keep: timedelta) -> None:
        """Keep tombstones for as long as an event can come late."""
        self._store = store
        self._keep = keep

    async def __call__(self) -> None:
        """Remove what was kept long enough. Raises `Outage`."""
        if swept := await self._store.sweep(self._keep.total_seconds()):
            log.info("tombstones_swept", count=swept)


class RedeliverNotice:
    """Send an owner's notice again."""

    def __init__(self, store: DeliveryStore, *, wake_senders: Callable[[], None]) -> None:
        """Make the delivery due in `store`, then wake whoever sends."""
        self._store = store
        self._wake_senders = wake_senders

    async def __call__(
        self, account_id: str, conversion_id: str, route: Route = BY_MAIL
    ) -> Delivery:
        """Make the account's own delivery due at once; raise `UnknownDelivery`.

        A repeat before it was sent makes no second one.
        """
        delivery = await self._store.redeliver(account_id, conversion_id, route)
        if delivery is None:
            raise UnknownDelivery("there is no such delivery")
        log.info("notice_redelivered", delivery_id=delivery.key)
        self._wake_senders()
        return delivery
