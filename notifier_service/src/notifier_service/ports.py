"""What the use cases need from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from notifier_service.domain import (
    AccountWebhooks,
    Channel,
    Delivery,
    Notice,
    Position,
    Route,
)
from notifier_service.letter import Letter


class DeliveryStore(Protocol):
    """Where deliveries are kept, each together with what was promised to the gateway.

    Leases and pauses are measured by the store's own clock, so that the clocks of several
    notifiers may disagree. Every method raises `Outage` if the store is away.
    """

    async def prepare(self) -> None:
        """Create what the store needs to be quick; a repeat changes nothing."""
        ...

    async def record(self, notice: Notice, webhook_ids: Sequence[str] = ()) -> Delivery:
        """Make the notice's delivery by mail, due at once, and return it.

        In the same write note which webhooks are to have one of their own, too: `unrecorded`, until
        `branch` has made them. If there is a delivery already, also in a race, return that one and
        change nothing, so that those webhooks stay the ones of the first request. Raises `Deleted`
        if the conversion was forgotten.
        """
        ...

    async def branch(self, delivery: Delivery) -> None:
        """Make the deliveries to the `unrecorded` webhooks of one by mail, each due at once.

        Those that are there already stay as they are, and nothing is made of a conversion that was
        forgotten meanwhile. A repeat changes nothing.
        """
        ...

    async def announce(self, delivery: Delivery) -> None:
        """Promise once more to tell the gateway how a settled delivery ended.

        Does nothing while an earlier promise is still to be kept.
        """
        ...

    async def redeliver(self, account_id: str, conversion_id: str, route: Route) -> Delivery | None:
        """Make an account's delivery pending and due at once; None if there is no such delivery.

        A settled one begins anew (`Delivery.asked_again`). Of one that is pending nothing changes
        but a pause, which ends.
        """
        ...

    async def forget(self, conversion_id: str) -> None:
        """Replace what is kept of a conversion by tombstones, also if that is nothing.

        When all are in their places promise to tell the gateway. A repeat promises again and makes
        the tombstones young again.
        """
        ...

    async def sweep(self, seconds: float) -> int:
        """Remove the tombstones that are older than `seconds` and were told of; count them."""
        ...

    async def give_up(self, account_id: str, webhook_id: str, why: str) -> int:
        """Abandon all pending deliveries to an account's webhook; count them.

        Whoever has one of them claimed can change nothing any more.
        """
        ...

    async def claim(
        self,
        channel: Channel,
        lease_seconds: float,
        but_not: Collection[str] = (),
        but_not_of: Collection[str] = (),
    ) -> Delivery | None:
        """Take a channel's delivery that has been due the longest, or None if none is due.

        Nobody else can claim it before the lease is over. Its `attempts` and its `fence` are one
        higher than before. The keys in `but_not` are passed over, and so are those of the accounts
        in `but_not_of`.
        """
        ...

    async def renew(self, claimed: Delivery, lease_seconds: float) -> bool:
        """Let the lease of a claimed delivery begin anew.

        Return False, and change nothing, if it was claimed again, settled or forgotten since.
        """
        ...

    async def settle(self, settled: Delivery) -> bool:
        """Record how a claimed delivery ended; if it `is_awaited`, promise to tell the gateway.

        Both are one write. Return False, and change nothing, if it was claimed again, settled or
        forgotten since.
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

        Raises `NoticeRefused` if it will never be taken, `NoticeDeferred` if it was not taken now,
        and `Outage` if nobody could be asked, or the answer was lost: then it may have been taken,
        and a repeat makes a second copy with the same Message-ID.
        """
        ...


class Messenger(Protocol):
    """Who takes notices of one channel to their recipients."""

    async def send(self, delivery: Delivery) -> None:
        """Hand a notice over; when this returns, the recipient's side has it.

        A repeat carries the same key, so that the recipient can tell. Raises `NoticeRefused` and
        `NoticeDeferred`, whose texts are for the owner: nothing in them tells of our own network.
        """
        ...


class WebhookStore(Protocol):
    """Where the endpoints of accounts are kept. Every method raises `Outage` if it is away."""

    async def load(self, account_id: str) -> AccountWebhooks:
        """Fetch the webhooks of an account; none, in version 0, if it never had any."""
        ...

    async def save(self, webhooks: AccountWebhooks) -> bool:
        """Put them in place of those of the same version, and count that up.

        Return False, and change nothing, if somebody else was quicker.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answered: an HTTP status, and the seconds that it asks to be spared for."""

    status: int
    retry_after_seconds: float = 0.0


class Courier(Protocol):
    """Who makes requests to endpoints that strangers named."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Make one POST request and give the answer, whatever it is. Follows no redirect.

        Raises `NoticeDeferred` if there was none in time, also if the host has no public address.
        """
        ...
