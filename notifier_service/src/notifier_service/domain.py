"""What a delivery is, how it moves on, and when it is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from random import SystemRandom


class Outcome(Enum):
    """How the conversion ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class State(Enum):
    """Where a delivery stands; only `PENDING` ever changes."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    ABANDONED = "ABANDONED"


class Attempt(Enum):
    """How one attempt at a delivery ended."""

    DELIVERED = "delivered"
    POSTPONED = "postponed"
    ABANDONED = "abandoned"
    SUPERSEDED = "superseded"
    """The lease had run out and somebody else took the delivery over."""


class InvalidPageSize(Exception):
    """A page cannot have that many entries."""


class InvalidPageToken(Exception):
    """The token is not from this list, or the list was asked for with other arguments."""


class MailRefused(Exception):
    """The mail will never be taken; the text says why and may be shown to the owner."""


class MailDeferred(Exception):
    """The mail is not taken now; the text says why and may be shown to the owner."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What to tell whom."""

    conversion_id: str
    account_id: str
    recipient: str
    outcome: Outcome
    video_filename: str
    failure_message: str
    traceparent: str = ""
    """The trace that asked for it (W3C Trace Context)."""

    @property
    def key(self) -> str:
        """Name the delivery: one for each conversion and channel, and mail is the only channel."""
        return f"{self.conversion_id}:mail"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice on its way.

    `attempts` counts the claims and is the fencing number: whoever claimed with a lower one can
    change nothing any more.
    """

    notice: Notice
    state: State
    attempts: int
    last_error: str
    requested_at: datetime
    settled_at: datetime | None = None

    @classmethod
    def requested(cls, notice: Notice, at: datetime) -> Delivery:
        """Begin a delivery."""
        return cls(notice, State.PENDING, attempts=0, last_error="", requested_at=at)

    @property
    def key(self) -> str:
        """Name the delivery."""
        return self.notice.key

    def delivered(self, at: datetime) -> Delivery:
        """Note that it was handed over."""
        return replace(self, state=State.DELIVERED, last_error="", settled_at=at)

    def abandoned(self, at: datetime, why: str) -> Delivery:
        """Give it up."""
        return replace(self, state=State.ABANDONED, last_error=why, settled_at=at)


@dataclass(frozen=True, slots=True)
class Patience:
    """How soon a mail is tried again, and when it is given up.

    `chance` gives random numbers from 0 to 1: mails that failed together do not come back together.
    """

    give_up: timedelta
    first_pause_seconds: float = 5.0
    longest_pause_seconds: float = 1800.0
    chance: Callable[[], float] = SystemRandom().random

    def pause_seconds(self, attempts: int) -> float:
        """Tell how long to wait after so many attempts: doubling, and up to half of it left out."""
        doublings = min(attempts - 1, 30)
        ceiling = min(self.longest_pause_seconds, self.first_pause_seconds * 2.0**doublings)
        return ceiling * (0.5 + self.chance() / 2)

    def is_over(self, delivery: Delivery, now: datetime) -> bool:
        """Tell whether a claimed delivery is to be given up; one attempt is always made."""
        return delivery.attempts > 1 and now - delivery.requested_at >= self.give_up


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list of an account's deliveries, newest first."""

    requested_at: datetime
    key: str
