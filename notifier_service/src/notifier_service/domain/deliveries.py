"""What a delivery is, how it moves on, and when it is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from random import SystemRandom


class Channel(Enum):
    """The ways a notice travels."""

    MAIL = "mail"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Route:
    """One way to one recipient: the mail of the account, or one of its webhooks."""

    channel: Channel = Channel.MAIL
    webhook_id: str = ""

    @classmethod
    def to_webhook(cls, webhook_id: str) -> Route:
        """Go to an endpoint."""
        return cls(Channel.WEBHOOK, webhook_id)

    def key(self, conversion_id: str) -> str:
        """Name the delivery of a conversion's notice that goes this way: there is just one."""
        parts = (conversion_id, self.channel.value, self.webhook_id)
        return ":".join(part for part in parts if part)


BY_MAIL = Route()


class Outcome(Enum):
    """How the conversion ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class State(Enum):
    """Where a delivery stands; only `PENDING` changes by itself, all others if the owner asks."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    ABANDONED = "ABANDONED"


class Attempt(Enum):
    """How one attempt at a delivery ended."""

    DELIVERED = "delivered"
    POSTPONED = "postponed"
    ABANDONED = "abandoned"
    SUPERSEDED = "superseded"
    """Somebody else took the delivery over, or its conversion was deleted."""


class InvalidPageSize(Exception):
    """A page cannot have that many entries."""


class InvalidPageToken(Exception):
    """The token is not from this list, or the list was asked for with other arguments."""


class InvalidChannel(Exception):
    """No notice travels that way."""


class UnknownDelivery(Exception):
    """The account has no such delivery."""


class Deleted(Exception):
    """The conversion was deleted: nothing of it may be kept any more but its id."""


class LeaseLost(Exception):
    """Somebody else has the delivery now, or nobody can have it any more."""


class NoticeRefused(Exception):
    """The notice will never be taken; the text says why and may be shown to the owner."""


class NoticeDeferred(Exception):
    """The notice is not taken now; the text says why and may be shown to the owner.

    The recipient may have asked for a pause of `seconds`.
    """

    def __init__(self, why: str, seconds: float = 0.0) -> None:
        """Say why."""
        super().__init__(why)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Notice:
    """What to tell whom."""

    conversion_id: str
    account_id: str
    recipient: str
    outcome: Outcome
    video_filename: str
    failure_message: str
    failure_reason: str = ""
    end_time: datetime | None = None
    """When the conversion ended, if the gateway said so."""
    traceparent: str = ""
    """The trace that asked for it (W3C Trace Context)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice on its way.

    `fence` grows with every claim and every redelivery: whoever has a lower one can change nothing
    any more. `tries_before` of the `attempts` were made before `asked_at`, when it was asked for
    last. `unrecorded` lists the webhooks whose own deliveries may not be recorded yet: those of the
    account when the notice was asked for first. Only mail has any.
    """

    notice: Notice
    state: State
    attempts: int
    last_error: str
    requested_at: datetime
    asked_at: datetime
    settled_at: datetime | None = None
    tries_before: int = 0
    fence: int = 0
    route: Route = BY_MAIL
    unrecorded: tuple[str, ...] = ()

    @classmethod
    def requested(cls, notice: Notice, at: datetime, route: Route = BY_MAIL) -> Delivery:
        """Begin a delivery."""
        return cls(
            notice,
            State.PENDING,
            attempts=0,
            last_error="",
            requested_at=at,
            asked_at=at,
            route=route,
        )

    @property
    def key(self) -> str:
        """Name the delivery."""
        return self.route.key(self.notice.conversion_id)

    @property
    def is_awaited(self) -> bool:
        """Tell whether the gateway waits for its end: for that of the mail only."""
        return self.route == BY_MAIL

    def branch(self, webhook_id: str) -> Delivery:
        """Begin the same notice's delivery to a webhook; that has no use for the mail address."""
        notice = replace(self.notice, recipient="")
        return Delivery.requested(notice, self.requested_at, Route.to_webhook(webhook_id))

    @property
    def tries(self) -> int:
        """Count the attempts since it was asked for last."""
        return self.attempts - self.tries_before

    def delivered(self, at: datetime) -> Delivery:
        """Note that it was handed over."""
        return replace(self, state=State.DELIVERED, last_error="", settled_at=at)

    def abandoned(self, at: datetime, why: str) -> Delivery:
        """Give it up."""
        return replace(self, state=State.ABANDONED, last_error=why, settled_at=at)

    def asked_again(self, at: datetime) -> Delivery:
        """Begin a settled one anew: with fresh patience, and out of reach of earlier claims."""
        return replace(
            self,
            state=State.PENDING,
            last_error="",
            asked_at=at,
            settled_at=None,
            tries_before=self.attempts,
            fence=self.fence + 1,
        )


@dataclass(frozen=True, slots=True)
class Patience:
    """How soon a notice is tried again, and when it is given up.

    `chance` gives random numbers from 0 to 1: what failed together does not come back together.
    """

    give_up: timedelta
    first_pause_seconds: float = 5.0
    longest_pause_seconds: float = 1800.0
    chance: Callable[[], float] = SystemRandom().random

    def pause_seconds(self, tries: int, asked_for: float = 0.0) -> float:
        """Tell how long to wait after so many tries: doubling, and up to half of it left out.

        The recipient may have asked for more; that is granted up to the longest pause.
        """
        doublings = min(tries - 1, 30)
        ceiling = min(self.longest_pause_seconds, self.first_pause_seconds * 2.0**doublings)
        pause = ceiling * (0.5 + self.chance() / 2)
        return max(pause, min(asked_for, self.longest_pause_seconds))

    def is_over(self, delivery: Delivery, now: datetime) -> bool:
        """Tell whether a claimed delivery is to be given up; one try is always made."""
        return delivery.tries > 1 and now - delivery.asked_at >= self.give_up


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list of an account's deliveries, newest first."""

    requested_at: datetime
    key: str
