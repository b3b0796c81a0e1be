"""Stand-ins for what the notifier talks to, and letters and notices to try them with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifier_service import wire
from notifier_service.domain import (
    BY_MAIL,
    AccountWebhooks,
    Channel,
    Deleted,
    Delivery,
    Notice,
    NoticeDeferred,
    NoticeRefused,
    Outcome,
    Position,
    Route,
    State,
)
from notifier_service.letter import Letter
from notifier_service.ports import Reply
from tonearm_chassis.clock import Clock
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.outbox import OutboxEntry

OWNER = "a" * 32
STRANGER = "b" * 32


def a_notice(number: int = 1, *, account_id: str = OWNER, name: str = "holiday.mp4") -> Notice:
    """Make a notice of a conversion that went well."""
    return Notice(
        conversion_id=f"{number:032x}",
        account_id=account_id,
        recipient="ada@example.org",
        outcome=Outcome.SUCCEEDED,
        video_filename=name,
        failure_message="",
    )


class InMemoryDeliveryStore:
    """A `DeliveryStore` in a dict, and its outbox."""

    def __init__(self, clock: Clock) -> None:
        """Measure leases by `clock`."""
        self._clock = clock
        self._deliveries: dict[str, Delivery] = {}
        self._not_before: dict[str, datetime] = {}
        self._lease_until: dict[str, datetime] = {}
        self.forgotten: dict[str, datetime] = {}
        self._hook_tombstones: dict[str, datetime] = {}
        self._first_lists: dict[str, tuple[str, ...]] = {}
        self._entries: dict[str, OutboxEntry] = {}
        self.away = False
        self.forgetful = False
        """Set to fail whatever records an outcome, as if the process died before it."""

    async def prepare(self) -> None:
        self._reach()

    async def record(self, notice: Notice, webhook_ids: Sequence[str] = ()) -> Delivery:
        self._reach()
        new = Delivery.requested(notice, self._clock.now())
        if new.key in self.forgotten:
            raise Deleted(new.key)
        if new.key not in self._deliveries:
            self._first_lists[new.key] = tuple(webhook_ids)
            self._add(replace(new, unrecorded=tuple(webhook_ids)))
        return self._deliveries[new.key]

    async def branch(self, delivery: Delivery) -> None:
        self._reach()
        for webhook_id in delivery.unrecorded:
            self._reach()
            hook = delivery.branch(webhook_id)
            if hook.key not in self._deliveries and hook.key not in self._hook_tombstones:
                self._add(hook)
        if delivery.key in self._deliveries:
            self._deliveries[delivery.key] = replace(self._deliveries[delivery.key], unrecorded=())

    async def announce(self, delivery: Delivery) -> None:
        self._reach()
        self._promise(delivery.key, wire.announcement(delivery))

    async def redeliver(self, account_id: str, conversion_id: str, route: Route) -> Delivery | None:
        self._reach()
        key = route.key(conversion_id)
        delivery = self._deliveries.get(key)
        if delivery is None or delivery.notice.account_id != account_id:
            return None
        now = self._clock.now()
        self._not_before[key] = min(self._not_before[key], now)
        if delivery.state is not State.PENDING:
            self._lease_until[key] = now
            self._deliveries[key] = delivery.asked_again(now)
        return self._deliveries[key]

    async def forget(self, conversion_id: str) -> None:
        self._reach()
        key, now = BY_MAIL.key(conversion_id), self._clock.now()
        for webhook_id in self._first_lists.pop(key, ()):
            hook = Route.to_webhook(webhook_id).key(conversion_id)
            self._deliveries.pop(hook, None)
            self._hook_tombstones[hook] = now
        self._deliveries.pop(key, None)
        self.forgotten[key] = now
        self._entries = {
            name: entry for name, entry in self._entries.items() if entry.document_id != key
        }
        self._promise(key, wire.confirmation(conversion_id, now))

    async def sweep(self, seconds: float) -> int:
        self._reach()
        before = self._clock.now() - timedelta(seconds=seconds)
        promised = {entry.document_id for entry in self._entries.values()}
        old = [key for key, at in self.forgotten.items() if at <= before and key not in promised]
        for key in old:
            del self.forgotten[key]
        return len(old)

    async def give_up(self, account_id: str, webhook_id: str, why: str) -> int:
        self._reach()
        pending = [
            each
            for each in self._deliveries.values()
            if each.route == Route.to_webhook(webhook_id)
            and each.notice.account_id == account_id
            and each.state is State.PENDING
        ]
        for each in pending:
            given_up = each.abandoned(self._clock.now(), why)
            self._deliveries[each.key] = replace(given_up, fence=each.fence + 1)
        return len(pending)

    async def claim(
        self,
        channel: Channel,
        lease_seconds: float,
        but_not: Collection[str] = (),
        but_not_of: Collection[str] = (),
    ) -> Delivery | None:
        self._reach()
        now = self._clock.now()
        due = [
            key
            for key, delivery in self._deliveries.items()
            if delivery.state is State.PENDING
            and delivery.route.channel is channel
            and key not in but_not
            and delivery.notice.account_id not in but_not_of
            and self._not_before[key] <= now
            and self._lease_until[key] <= now
        ]
        if not due:
            return None
        key = min(due, key=self._not_before.__getitem__)
        delivery = self._deliveries[key]
        self._lease_until[key] = now + timedelta(seconds=lease_seconds)
        self._deliveries[key] = replace(
            delivery, attempts=delivery.attempts + 1, fence=delivery.fence + 1
        )
        return self._deliveries[key]

    async def renew(self, claimed: Delivery, lease_seconds: float) -> bool:
        self._reach()
        if not self._held(claimed):
            return False
        self._lease_until[claimed.key] = self._clock.now() + timedelta(seconds=lease_seconds)
        return True

    async def settle(self, settled: Delivery) -> bool:
        self._reach()
        if self.forgetful:
            raise Outage("store: gone before it could record")
        if not self._held(settled):
            return False
        self._deliveries[settled.key] = replace(
            settled, unrecorded=self._deliveries[settled.key].unrecorded
        )
        if settled.is_awaited:
            await self.announce(settled)
        return True

    async def postpone(self, claimed: Delivery, why: str, seconds: float) -> bool:
        self._reach()
        if not self._held(claimed):
            return False
        now = self._clock.now()
        self._deliveries[claimed.key] = replace(
            claimed, last_error=why, unrecorded=self._deliveries[claimed.key].unrecorded
        )
        self._not_before[claimed.key] = now + timedelta(seconds=seconds)
        self._lease_until[claimed.key] = now
        return True

    async def newest(
        self, account_id: str, conversion_id: str, after: Position | None, limit: int
    ) -> Sequence[Delivery]:
        self._reach()
        found = [
            delivery
            for delivery in self._deliveries.values()
            if delivery.notice.account_id == account_id
            and conversion_id in {"", delivery.notice.conversion_id}
            and (after is None or _place(delivery) < (after.requested_at, after.key))
        ]
        return sorted(found, key=_place, reverse=True)[:limit]

    async def pending(self, limit: int) -> list[OutboxEntry]:
        self._reach()
        return list(self._entries.values())[:limit]

    async def mark_published(self, entry: OutboxEntry) -> None:
        self._reach()
        self._entries.pop(entry.envelope.id, None)

    def _add(self, new: Delivery) -> None:
        self._deliveries[new.key] = new
        self._not_before[new.key] = self._lease_until[new.key] = new.requested_at

    def _held(self, claimed: Delivery) -> bool:
        stored = self._deliveries.get(claimed.key)
        return (
            stored is not None and stored.state is State.PENDING and stored.fence == claimed.fence
        )

    def _promise(self, key: str, envelope: Envelope) -> None:
        entry = OutboxEntry(key, topic=wire.EVENTS_TOPIC, envelope=envelope)
        self._entries.setdefault(envelope.id, entry)

    def _reach(self) -> None:
        if self.away:
            raise Outage("store: away")


class FakeMailer:
    """A `Mailer` that keeps its letters, or fails as it is told."""

    def __init__(self) -> None:
        """Begin with an empty mailbox."""
        self.sent: list[Letter] = []
        self.trouble: Exception | None = None
        self.gate = asyncio.Event()
        """Clear to keep all mail under way until it is set again."""
        self.gate.set()
        self.under_way = 0
        self.most_under_way = 0

    async def send(self, letter: Letter) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        if self.trouble is not None:
            raise self.trouble
        if not re.fullmatch(r"[^\s@]+@[^\s@]+", letter.recipient):
            raise NoticeRefused("no address")
        self.sent.append(letter)

    def refuse(self) -> None:
        """Refuse all mail for good."""
        self.trouble = NoticeRefused("the mail server answered 550 no such user")

    def defer(self) -> None:
        """Take no mail now."""
        self.trouble = NoticeDeferred("the mail server answered 450 busy")

    def go_away(self) -> None:
        """Be out of reach."""
        self.trouble = Outage("smtp: away")

    def recover(self) -> None:
        """Take mail again."""
        self.trouble = None


class InMemoryWebhookStore:
    """A `WebhookStore` in a dict."""

    def __init__(self) -> None:
        """Begin with none."""
        self._accounts: dict[str, AccountWebhooks] = {}
        self.away = False

    async def load(self, account_id: str) -> AccountWebhooks:
        self._reach()
        # Whoever changes something at the same time gets in between, as in a real store.
        await asyncio.sleep(0)
        return self._accounts.get(account_id, AccountWebhooks(account_id))

    async def save(self, webhooks: AccountWebhooks) -> bool:
        self._reach()
        before = self._accounts.get(webhooks.account_id, AccountWebhooks(webhooks.account_id))
        if before.version != webhooks.version:
            return False
        self._accounts[webhooks.account_id] = replace(webhooks, version=webhooks.version + 1)
        return True

    def _reach(self) -> None:
        if self.away:
            raise Outage("webhooks: away")


@dataclass(frozen=True, slots=True)
class Post:
    """A request that was made."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class FakeCourier:
    """A `Courier` that keeps what it should post, and answers as it is told."""

    def __init__(self) -> None:
        """Begin with nothing posted, and answer that all is well."""
        self.posts: list[Post] = []
        self.reply = Reply(204)
        self.trouble: Exception | None = None
        self.gate = asyncio.Event()
        """Clear to keep all requests under way until it is set again."""
        self.gate.set()
        self.under_way = 0

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.under_way += 1
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        if self.trouble is not None:
            raise self.trouble
        self.posts.append(Post(url, headers, body))
        return self.reply


def _place(delivery: Delivery) -> tuple[datetime, str]:
    return delivery.requested_at, delivery.key
