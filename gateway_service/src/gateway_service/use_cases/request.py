"""Request a conversion of a stored video, once for each request id."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable
from dataclasses import dataclass

from gateway_service.domain import (
    Conversion,
    ConversionDeleted,
    InvalidRequestId,
    RequestIdReused,
)
from gateway_service.ports import ConversionStore, VideoLedger, Waker
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class RequestConversion:
    """Insert a conversion that the ledger already knows as a user of its video."""

    conversions: ConversionStore
    ledger: VideoLedger
    relay: Waker
    sweeper: Waker
    clock: Clock

    async def __call__(self, conversion: Conversion) -> Conversion:
        """Give the conversion, or the one that the same request made before.

        Raises `RequestIdReused`, `ConversionDeleted`, or `Outage` if it is too late: the sweeper
        has taken this call for dead. After an `Outage` it is the sweeper that finds out whether
        the conversion is there.
        """
        stored = await self.conversions.add(conversion)
        if stored.id != conversion.id:
            await cleaned(self.ledger.release(conversion.video.id, conversion.id, self.clock.now()))
            self.sweeper.wake()
            return the_same(stored, conversion.fingerprint)
        if stored.is_deleted:
            raise Outage("gateway: this call was taken for dead")
        self.relay.wake()
        return stored


async def cleaned(cleaning: Awaitable[None]) -> None:
    """Clean up; that the store is away must not hide from the caller what is being answered.

    The sweeper cleans up then.
    """
    try:
        await cleaning
    except Outage as error:
        log.warning("left_to_the_sweeper", cause=str(error))


def normal_request_id(text: str) -> str:
    """Write a request id the one way that is compared. Raises `InvalidRequestId`."""
    if not text:
        return ""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        message = "request_id must be a UUID"
        raise InvalidRequestId(message) from None


def the_same(stored: Conversion, fingerprint: str) -> Conversion:
    """Give what a request id stands for, if it is what is asked for now, and not deleted."""
    if stored.fingerprint != fingerprint:
        message = "this request_id was used for something else"
        raise RequestIdReused(message)
    if stored.is_deleted:
        message = "the conversion that this request_id made was deleted; use another one"
        raise ConversionDeleted(message)
    return stored
