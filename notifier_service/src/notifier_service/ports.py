"""What the use cases need from outside."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from notifier_service.domain import Delivery, Notice, Position
from notifier_service.letter import Letter


class DeliveryStore(Protocol):
    """Where deliveries are kept, each together with what was promised to the gateway.

    Leases and pauses are measured by the store's own clock, so that the clocks of several
    notifiers may disagree. Every method raises `Outage` if the store is away.
    """

    async def prepare(self) -> None:
        """Create what the store needs to be quick; a repeat changes nothing."""
        ...

    async def record(self, notice: Notice) -> Delivery:
        """Make the notice's delivery, due at once, and return it.

        If there is one already, also in a race, return that one and change nothing. Raises
        `Deleted` if the conversion was forgotten.
        """
        ...

    async def announce(self, delivery: Delivery) -> None:
        """Promise once more to tell the gateway how a settled delivery ended.

        Does nothing while an earlier promise is still to be kept.
        """
        ...

    async def redeliver(self, account_id: str, key: str) -> Delivery | None:
        """Make an account's delivery pending and due at once; None if there is no such delivery.

        A settled one begins anew (`Delivery.asked_again`). Of one that is pending nothing changes
        but a pause, which ends.
        """
        ...

    async def forget(self, conversion_id: str) -> None:
        """Replace what is kept of a conversion by a tombstone, also if that is nothing.

        In the same write promise to tell the gateway. A repeat promises again and makes the
        tombstone young again.
        """
        ...

    async def sweep(self, seconds: float) -> int:
        """Remove the tombstones that are older than `seconds` and were told of; count them."""
        ...

    async def claim(self, lease_seconds: float, but_not: Collection[str] = ()) -> Delivery | None:
        """Take the delivery that has been due the longest, or None if none is due.

        Nobody else can claim it before the lease is over. Its `attempts` and its `fence` are one
        higher than before. The keys in `but_not` are passed over.
        """
        ...

    async def renew(self, claimed: Delivery, lease_seconds: float) -> bool:
        """Let the lease of a claimed delivery begin anew.

        Return False, and change nothing, if it was claimed again, settled or forgotten since.
        """
        ...

    async def settle(self, settled: Delivery) -> bool:
        """Record how a claimed delivery ended, and in the same write promise to tell the gateway.

        Return False, and change nothing, if it was claimed again, settled or forgotten since.
        """
        ...

    async def postpone(self, claimed: Delivery, why: str, seconds: float) -> bool:
        """Give a claimed delivery back; it is due again in `seconds`.

        Return False, and change nothing, if it was claimed again, settled or forgotten since.
        """
        ...

    async def newest(
        self, account_id: str, conversion_id: str, after: Position | None, limit: int
    ) -> Sequence[Delivery]:
        """List an account's deliveries behind a position, newest first.

        Only those of one conversion, unless `conversion_id` is empty.
        """
        ...


class Mailer(Protocol):
    """Who takes mail."""

    async def send(self, letter: Letter) -> None:
        """Hand a letter over; when this returns, the recipient's side has it.

        Raises `MailRefused` if it will never be taken, `MailDeferred` if it was not taken now, and
        `Outage` if nobody could be asked, or the answer was lost: then it may have been taken, and
        a repeat makes a second copy with the same Message-ID.
        """
        ...
