"""What the notifier does: take requests, send what is due, show the record."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from notifier_service.domain import (
    Attempt,
    Deleted,
    Delivery,
    InvalidPageSize,
    InvalidPageToken,
    LeaseLost,
    MailDeferred,
    MailRefused,
    Notice,
    Patience,
    Position,
    State,
    UnknownDelivery,
    delivery_key,
)
from notifier_service.letter import Letterhead, compose
from notifier_service.ports import DeliveryStore, Mailer
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

RECORD_MAX_PAUSE_SECONDS = 2.0
DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
LONGEST_TOKEN = 400
UNREACHABLE = "the mail server could not be reached"
UNMADE = "the mail could not be made"


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
        again. If the conversion was deleted meanwhile, it is only told that once more.
        """
        try:
            delivery = await self._store.record(notice)
        except Deleted:
            await self._store.forget(notice.conversion_id)
            self._wake_relay()
            return
        if delivery.state is State.PENDING:
            self._wake_sender()
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

        A mail that is under way at this moment may still arrive; it is not recorded.
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

    def __init__(self, store: DeliveryStore, *, wake_sender: Callable[[], None]) -> None:
        """Make the delivery due in `store`, then wake whoever sends."""
        self._store = store
        self._wake_sender = wake_sender

    async def __call__(self, account_id: str, conversion_id: str) -> Delivery:
        """Make the account's own delivery due at once; raise `UnknownDelivery`.

        A repeat before it was sent makes no second mail.
        """
        delivery = await self._store.redeliver(account_id, delivery_key(conversion_id))
        if delivery is None:
            raise UnknownDelivery("there is no such delivery")
        log.info("notice_redelivered", conversion_id=conversion_id)
        self._wake_sender()
        return delivery


class Lease:
    """The hold on claimed deliveries while they are worked on."""

    def __init__(self, store: DeliveryStore, clock: Clock, seconds: float) -> None:
        """Hold for `seconds` beyond the death of this process."""
        self._store = store
        self._clock = clock
        self.seconds = seconds

    async def hold(self, claimed: Delivery, work: Coroutine[None, None, None]) -> None:
        """Do `work`, renewing the lease meanwhile, however long the store is away.

        Raises what `work` raises; `LeaseLost`, with `work` cancelled, once the delivery is not
        ours any more.
        """
        working, keeping = asyncio.create_task(work), asyncio.create_task(self._keep(claimed))
        try:
            await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await keeping
                raise LeaseLost(claimed.key)
            await working
        finally:
            working.cancel()
            keeping.cancel()
            await asyncio.wait({working, keeping})

    async def _keep(self, claimed: Delivery) -> None:
        held = True
        while held:
            await self._clock.sleep(self.seconds / 3)
            try:
                held = await self._store.renew(claimed, self.seconds)
            except Outage as outage:
                # Who cannot reach the store cannot tell; nor can anybody else claim.
                log.warning("lease_not_renewed", cause=str(outage))


class SendDelivery:
    """Try to hand over one claimed delivery."""

    def __init__(
        self,
        store: DeliveryStore,
        mailer: Mailer,
        *,
        lease: Lease,
        letterhead: Letterhead,
        patience: Patience,
        clock: Clock,
    ) -> None:
        """Send what `store` gave out through `mailer`."""
        self._store = store
        self._mailer = mailer
        self._lease = lease
        self._letterhead = letterhead
        self._patience = patience
        self._clock = clock

    async def __call__(self, delivery: Delivery) -> Attempt:
        """Send the mail and record what became of it, however long the store is away meanwhile.

        If the process dies in between, the delivery comes again when its lease is over, and the
        mail goes out with the same Message-ID.
        """
        if self._patience.is_over(delivery, self._clock.now()):
            log.error("delivery_given_up", attempts=delivery.attempts)
            why = delivery.last_error or "the mail could not be handed over in time"
            return await self._settle(self._abandoned(delivery, why), Attempt.ABANDONED)
        try:
            letter = compose(delivery, self._letterhead)
            await self._lease.hold(delivery, self._mailer.send(letter))
        except LeaseLost:
            return Attempt.SUPERSEDED
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

    async def stumble(self, delivery: Delivery) -> Attempt:
        """Put a delivery off that a bug of ours keeps from being sent."""
        return await self._postpone(delivery, UNMADE)

    async def _settle(self, settled: Delivery, attempt: Attempt) -> Attempt:
        return await self._recorded(lambda: self._store.settle(settled), attempt)

    async def _postpone(self, delivery: Delivery, why: str) -> Attempt:
        seconds = self._patience.pause_seconds(delivery.tries)
        return await self._recorded(
            lambda: self._store.postpone(delivery, why, seconds), Attempt.POSTPONED
        )

    async def _recorded(self, write: Callable[[], Awaitable[bool]], attempt: Attempt) -> Attempt:
        # What is forgotten here is sent again, so a store that is away is waited for without end:
        # until it is back there is nothing else to do.
        async for trial in AsyncRetrying(
            retry=retry_if_exception_type(Outage),
            wait=wait_exponential(multiplier=0.1, max=RECORD_MAX_PAUSE_SECONDS),
            sleep=self._clock.sleep,
            before_sleep=_tell_wait,
        ):
            with trial:
                return attempt if await write() else Attempt.SUPERSEDED
        raise AssertionError("unreachable: the loop ends only with an answer")


def _tell_wait(state: RetryCallState) -> None:
    cause = state.outcome.exception() if state.outcome else None
    log.warning("record_waits", cause=str(cause))


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
