"""Where it is written down who converts what, and how it ended."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import Enum, auto
from typing import Literal, Protocol

from converter_service.domain import (
    AudioFile,
    AudioId,
    CalledOff,
    Claim,
    ConversionId,
    DueOrder,
    Ending,
    Order,
    Outcome,
    Setback,
)


class Standing(Enum):
    """Where a conversion stands that this worker does not get."""

    HELD = auto()
    """Somebody holds it, and their lease runs, or it rests after an attempt, or it goes alone."""
    OVER = auto()
    """It has its outcome, or was called off."""


class ClaimStore(Protocol):
    """Who converts what, and how it ended: the record that decides.

    Time is the store's own. Every method may raise `Outage`; repeating it then is safe.
    """

    async def claim(self, order: Order, owner: str, *, is_alone: bool = False) -> Claim | Standing:
        """Take the conversion if nobody holds it, it does not rest, and it is not over.

        `owner`, 32 hexadecimal digits, names this attempt: a repeat with the same owner gets the
        same claim. The claim holds for one lease. Every new holder gets a higher fence than all
        before, and than the order's floor. Taking it from a holder whose lease ran out counts as
        a loss; after several a conversion rests first.

        `is_alone` says that the worker does nothing else for as long as it holds this claim; that
        is recorded with it, and a loss then counts as one suffered alone. After `ALONE_AFTER`
        losses nobody else gets the conversion.
        """
        ...

    async def leave(self, order: Order) -> Literal[Standing.OVER] | None:
        """Record an order for whoever is free first; None unless it is over.

        A repeat, or an order that is known already, changes nothing.
        """
        ...

    async def due(self, limit: int) -> list[DueOrder]:
        """List orders that nobody holds, that do not rest and are not over, oldest first."""
        ...

    async def announce_start(self, claim: Claim, start_time: datetime) -> None:
        """Promise the event that the conversion started. Raises `ClaimLost`."""
        ...

    async def name_audio(self, claim: Claim) -> AudioId:
        """Invent a name for audio, and note that it may be stored. Raises `ClaimLost`.

        No two attempts to store share one, even if fencing numbers were set back with a backup: a
        write that arrives late, or a worker that wakes up late, damages nothing but its own.
        """
        ...

    async def look(self, claim: Claim) -> None:
        """Raise `ClaimLost` if the claim is over, or somebody else's; costs next to nothing.

        Says nothing if it is finished by this very claim, or its lease ran out and nobody came.
        """
        ...

    async def renew(self, claim: Claim) -> None:
        """Hold the claim for another lease; nothing if it is finished by this very claim.

        Raises `ClaimLost` if it is over otherwise, or somebody else's.
        """
        ...

    async def finish(self, claim: Claim, outcome: Outcome, *, letter_reason: str = "") -> None:
        """Record the outcome and promise its event, in one write. Raises `ClaimLost`.

        With `letter_reason`, promises a dead letter of the order in the same write. Exactly one
        outcome is ever recorded. A repeat after it was recorded raises `ClaimLost` only if the
        outcome is another claim's.
        """
        ...

    async def announce_end(self, conversion_id: ConversionId, fence_floor: int) -> None:
        """Promise the event of the end again: the outcome, or that it was called off.

        Nothing if there is none, or if a conversion that was called off is not cleaned up. The
        event has a fence of at least `fence_floor`: to whoever asks, a lower one were stale.
        """
        ...

    async def release(self, claim: Claim, setback: Setback) -> bool:
        """Let somebody else have it, after the rest that `setback` and those before ask for.

        False, and nothing is counted, if the claim was lost already. If it was called off, the
        holder who releases it says: I work on it no more.
        """
        ...


class TombstoneStore(Protocol):
    """What remains of conversions that were called off, so that no late event revives them.

    Every method may raise `Outage`; repeating it then is safe.
    """

    async def call_off(self, conversion_id: ConversionId, ending: Ending) -> None:
        """End a conversion, whatever became of it; its holder loses it.

        A deletion outlasts a cancellation. From here to `settle` it is to be cleaned up; a repeat
        asks for that again.
        """
        ...

    async def unsettled(self, limit: int) -> list[CalledOff]:
        """List what was called off, is not cleaned up, and has no holder any more."""
        ...

    async def settle(self, called_off: CalledOff) -> None:
        """Keep only a tombstone, and promise the confirmation, in one write.

        Nothing if it is settled already, or was called off once more since.
        """
        ...

    async def forget(self, before: datetime) -> int:
        """Delete the tombstones of what was settled earlier; tell how many there were."""
        ...

    async def unwanted(self, files: Collection[AudioFile]) -> list[AudioId]:
        """Tell which files no conversion needs, now or ever.

        A file that claims to be of a conversion unknown here, or of a later attempt than any
        known, stays: these records must be older than the file, and somebody may name it.
        """
        ...

    async def held(self, audio_ids: Collection[AudioId]) -> set[AudioId]:
        """Tell which audio must stay although it was seen half stored.

        A running claim named it and may be storing it; or it is whole by now, and an outcome.
        """
        ...


class GiveUps(Protocol):
    """How many conversions all workers together give up within an hour.

    A release whose processes die of whatever they convert remembers nothing itself.
    """

    async def take(self, conversion_id: ConversionId) -> bool:
        """Count the conversion as given up, unless as many as may be were given up lately.

        False if so, and nothing is counted. A repeat within the hour counts nothing and is True.
        Raises `Outage`; repeating it then is safe.
        """
        ...
