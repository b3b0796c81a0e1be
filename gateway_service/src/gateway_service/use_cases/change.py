"""Call conversions off, repeat them, delete them, as their owners wish."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from gateway_service.domain import (
    RETRYABLE,
    AccountId,
    Cancelled,
    Conversion,
    ConversionId,
    ConversionNotRetryable,
    ConversionOver,
    Deleted,
    Owner,
    Retention,
    State,
    UnknownConversion,
    VideoExpired,
    retry_fingerprint,
)
from gateway_service.ports import ConversionStore, VideoLedger, Waker
from gateway_service.use_cases.read import GetConversion
from gateway_service.use_cases.request import RequestConversion, normal_request_id, the_same
from tonearm_chassis.clock import Clock
from tonearm_chassis.logs import get_log

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class CancelConversion:
    """Call off one of one's own conversions."""

    get: GetConversion
    conversions: ConversionStore
    relay: Waker
    clock: Clock
    retention: Retention

    async def __call__(self, account_id: AccountId, conversion_id: ConversionId) -> Conversion:
        """Give it, CANCELLED for good; a repeat changes nothing.

        Raises `UnknownConversion`, or `ConversionOver` if it has ended otherwise.
        """
        while True:
            old = await self.get(account_id, conversion_id)
            if old.state is State.CANCELLED:
                return old
            cancelled = old.after(Cancelled(), self.clock.now())
            if cancelled is None:
                message = f"the conversion is {old.state.value}; it cannot be cancelled any more"
                raise ConversionOver(message)
            new = cancelled.kept(self.retention)
            if await self.conversions.replace(old, new):
                log.info("conversion_cancelled", conversion_id=conversion_id)
                self.relay.wake()
                return replace(new, revision=old.revision + 1)


@dataclass(frozen=True, slots=True)
class RetryConversion:
    """Repeat one of one's own conversions."""

    get: GetConversion
    conversions: ConversionStore
    ledger: VideoLedger
    request: RequestConversion
    clock: Clock

    async def __call__(
        self, owner: Owner, conversion_id: ConversionId, request_id: str
    ) -> Conversion:
        """Give a new conversion, QUEUED, of the same video with the same options.

        A repeat with the same `request_id` gives the same one. Raises `UnknownConversion`,
        `ConversionNotRetryable`, `VideoExpired`, `InvalidRequestId`, `RequestIdReused`, or
        `ConversionDeleted` if the one that `request_id` made is.
        """
        request_id = normal_request_id(request_id)
        fingerprint = retry_fingerprint(conversion_id)
        if request_id:
            known = await self.conversions.find_request(owner.account_id, request_id)
            if known is not None:
                return the_same(known, fingerprint)
        old = await self.get(owner.account_id, conversion_id)
        if old.state not in RETRYABLE:
            message = (
                f"the conversion is {old.state.value}; FAILED and CANCELLED ones can be retried"
            )
            raise ConversionNotRetryable(message)
        now = self.clock.now()
        new = Conversion(
            id=ConversionId(uuid.uuid4().hex),
            owner=owner,
            video=old.video,
            options=old.options,
            create_time=now,
            sign_time=now,
            request_id=request_id,
            fingerprint=fingerprint,
            retry_of=old.id,
        )
        if not await self.ledger.take(old.video.id, new.id, now):
            message = "the video is kept no longer; upload it again"
            raise VideoExpired(message)
        return await self.request(new)


@dataclass(frozen=True, slots=True)
class DeleteConversion:
    """Delete one of one's own conversions."""

    conversions: ConversionStore
    relay: Waker
    sweeper: Waker
    clock: Clock

    async def __call__(self, account_id: AccountId, conversion_id: ConversionId) -> None:
        """Leave nothing but a tombstone; a repeat changes nothing. Raises `UnknownConversion`."""
        while True:
            old = await self.conversions.find(conversion_id)
            if old is None or old.owner.account_id != account_id:
                message = "you have no such conversion"
                raise UnknownConversion(message)
            new = old.after(Deleted(), self.clock.now())
            if new is None:
                return
            if await self.conversions.replace(old, new):
                log.info("conversion_deleted", conversion_id=conversion_id)
                self.relay.wake()
                self.sweeper.wake()
                return
