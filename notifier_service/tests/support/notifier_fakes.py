"""Stand-ins for what the notifier talks to, and letters and notices to try them with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from notifier_service import wire
from notifier_service.domain import (
    Delivery,
    MailDeferred,
    MailRefused,
    Notice,
    Outcome,
    Position,
    State,
)
from notifier_service.letter import Letter
from tonearm_chassis.clock import Clock
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
        self._entries: dict[str, OutboxEntry] = {}
        self.away = False
        self.forgetful = False
        """Set to fail whatever records an outcome, as if the process died before it."""

    async def prepare(self) -> None:
        self._reach()

    async def record(self, notice: Notice) -> Delivery:
        self._reach()
        now = self._clock.now()
        if notice.key not in self._deliveries:
            self._deliveries[notice.key] = Delivery.requested(notice, now)
            self._not_before[notice.key] = self._lease_until[notice.key] = now
        return self._deliveries[notice.key]

    async def announce(self, delivery: Delivery) -> None:
        self._reach()
        envelope = wire.announcement(delivery)
        self._entries.setdefault(
            envelope.id, OutboxEntry(delivery.key, topic=wire.EVENTS_TOPIC, envelope=envelope)
        )

    async def claim(self, lease_seconds: float) -> Delivery | None:
        self._reach()
        now = self._clock.now()
        due = [
            key
            for key, delivery in self._deliveries.items()
            if delivery.state is State.PENDING
            and self._not_before[key] <= now
            and self._lease_until[key] <= now
        ]
        if not due:
            return None
        key = min(due, key=self._not_before.__getitem__)
        delivery = self._deliveries[key]
        self._lease_until[key] = now + timedelta(seconds=lease_seconds)
        self._deliveries[key] = replace(delivery, attempts=delivery.attempts + 1)
        return self._deliveries[key]

    async def settle(self, settled: Delivery) -> bool:
        self._reach()
        if self.forgetful:
            raise Outage("store: gone before it could record")
        if not self._held(settled):
            return False
        self._deliveries[settled.key] = settled
        await self.announce(settled)
        return True

    async def postpone(self, claimed: Delivery, why: str, seconds: float) -> bool:
        self._reach()
        if not self._held(claimed):
            return False
        now = self._clock.now()
        self._deliveries[claimed.key] = replace(claimed, last_error=why)
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

    def _held(self, claimed: Delivery) -> bool:
        stored = self._deliveries[claimed.key]
        return stored.state is State.PENDING and stored.attempts == claimed.attempts

    def _reach(self) -> None:
        if self.away:
            raise Outage("store: away")


class FakeMailer:
    """A `Mailer` that keeps its letters, or fails as it is told."""

    def __init__(self) -> None:
        """Begin with an empty mailbox."""
        self.sent: list[Letter] = []
        self.trouble: Exception | None = None

    async def send(self, letter: Letter) -> None:
        if self.trouble is not None:
            raise self.trouble
        if not re.fullmatch(r"[^\s@]+@[^\s@]+", letter.recipient):
            raise MailRefused("no address")
        self.sent.append(letter)

    def refuse(self) -> None:
        """Refuse all mail for good."""
        self.trouble = MailRefused("the mail server answered 550 no such user")

    def defer(self) -> None:
        """Take no mail now."""
        self.trouble = MailDeferred("the mail server answered 450 busy")

    def go_away(self) -> None:
        """Be out of reach."""
        self.trouble = Outage("smtp: away")

    def recover(self) -> None:
        """Take mail again."""
        self.trouble = None


def _place(delivery: Delivery) -> tuple[datetime, str]:
    return delivery.requested_at, delivery.key
