"""What the notifier does: take requests, send what is due, show the record."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from notifier_service.domain import (
    Attempt,
    Delivery,
    InvalidPageSize,
    InvalidPageToken,
    MailDeferred,
    MailRefused,
    Notice,
    Patience,
    Position,
    State,
)
from notifier_service.letter import Letterhead, compose
from notifier_service.ports import DeliveryStore, Mailer
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

SETTLE_ATTEMPTS = 7
SETTLE_MAX_PAUSE_SECONDS = 3.0
DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
LONGEST_TOKEN = 400
UNREACHABLE = "the mail server could not be reached"


class RequestNotice:
    """Take a request to tell an owner."""

    def __init__(
        self,
        store: DeliveryStore,
        *,
        wake_sender: Callable[[], None],
        wake_relay: Callable[[], None],
    ) -> None:
        """Record in `store`, then wake whoever has work now."""
        self._store = store
        self._wake_sender = wake_sender
        self._wake_relay = wake_relay

    async def __call__(self, notice: Notice) -> None:
        """Record the notice; when this returns, it will be sent.

        A repeat makes no second mail: if the first one was settled, the gateway is only told so
        again.
        """
        delivery = await self._store.record(notice)
        if delivery.state is State.PENDING:
            self._wake_sender()
            return
        await self._store.announce(delivery)
        self._wake_relay()


class SendDelivery:
    """Try to hand over one claimed delivery."""

    def __init__(
        self,
        store: DeliveryStore,
        mailer: Mailer,
        *,
        letterhead: Letterhead,
        patience: Patience,
        clock: Clock,
    ) -> None:
        """Send what `store` gave out through `mailer`."""
        self._store = store
        self._mailer = mailer
        self._letterhead = letterhead
        self._patience = patience
        self._clock = clock

    async def __call__(self, delivery: Delivery) -> Attempt:
        """Send the mail and record what became of it.

        If the process dies in between, the delivery comes again when its lease is over, and the
        mail goes out with the same Message-ID.
        """
        if self._patience.is_over(delivery, self._clock.now()):
            log.error("delivery_given_up", attempts=delivery.attempts)
            why = delivery.last_error or "the mail could not be handed over in time"
            return await self._settle(self._abandoned(delivery, why), Attempt.ABANDONED)
        try:
            await self._mailer.send(compose(delivery, self._letterhead))
        except MailRefused as refusal:
            log.warning("delivery_refused", attempts=delivery.attempts)
            return await self._settle(self._abandoned(delivery, str(refusal)), Attempt.ABANDONED)
        except MailDeferred as deferral:
            return await self._postpone(delivery, str(deferral))
        except Outage as outage:
            log.warning("mail_outage", cause=str(outage))
            return await self._postpone(delivery, UNREACHABLE)
        return await self._settle(delivery.delivered(self._clock.now()), Attempt.DELIVERED)

    def _abandoned(self, delivery: Delivery, why: str) -> Delivery:
        return delivery.abandoned(self._clock.now(), why)

    async def _settle(self, settled: Delivery, attempt: Attempt) -> Attempt:
        # What is forgotten here is sent again: a store that is away for a moment is waited for.
        async for trial in AsyncRetrying(
            retry=retry_if_exception_type(Outage),
            wait=wait_exponential(multiplier=0.1, max=SETTLE_MAX_PAUSE_SECONDS),
            stop=stop_after_attempt(SETTLE_ATTEMPTS),
            sleep=self._clock.sleep,
            reraise=True,
        ):
            with trial:
                if not await self._store.settle(settled):
                    return Attempt.SUPERSEDED
        return attempt

    async def _postpone(self, delivery: Delivery, why: str) -> Attempt:
        seconds = self._patience.pause_seconds(delivery.attempts)
        if not await self._store.postpone(delivery, why, seconds):
            return Attempt.SUPERSEDED
        return Attempt.POSTPONED


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; an empty `next_token` marks the last one."""

    deliveries: tuple[Delivery, ...]
    next_token: str


class ListDeliveries:
    """Show an account the record of its notices."""

    def __init__(self, store: DeliveryStore) -> None:
        """List what `store` keeps."""
        self._store = store

    async def __call__(
        self, account_id: str, conversion_id: str, page_size: int, page_token: str
    ) -> Page:
        """List a page of the account's own deliveries, newest first (AIP-158).

        Raises `InvalidPageSize` and `InvalidPageToken`.
        """
        if page_size < 0:
            raise InvalidPageSize("page_size must not be negative")
        size = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        binding = _binding(account_id, conversion_id)
        after = _position(page_token, binding) if page_token else None
        found = await self._store.newest(account_id, conversion_id, after, size + 1)
        shown = tuple(found[:size])
        token = _token(shown[-1], binding) if len(found) > size else ""
        return Page(shown, token)


def _binding(account_id: str, conversion_id: str) -> str:
    """Tell lists apart, so that a token of one is no token of another."""
    return hashlib.sha256(f"{account_id}\n{conversion_id}".encode()).hexdigest()[:16]


def _token(last: Delivery, binding: str) -> str:
    text = json.dumps([binding, last.requested_at.isoformat(), last.key])
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _position(token: str, binding: str) -> Position:
    if len(token) > LONGEST_TOKEN:
        raise InvalidPageToken("page_token is not one that this list gave")
    try:
        padded = token + "=" * (-len(token) % 4)
        bound, moment, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        str(key).encode()  # half of a surrogate pair is JSON and yet no text
        position = Position(datetime.fromisoformat(moment), str(key))
        position.requested_at.astimezone(UTC)  # the year 0 is none that a store could compare
    except (ValueError, TypeError, OverflowError):
        raise InvalidPageToken("page_token is not one that this list gave") from None
    if bound != binding or position.requested_at.tzinfo is None:
        raise InvalidPageToken("page_token belongs to a list with other arguments")
    return position
