"""How often a conversion may be tried in vain, and how long it rests in between."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from converter_service.domain.failures import FailureReason

FIRST_REST_SECONDS = 2.0
LONGEST_REST_SECONDS = 300.0
ENGINE_REST_SECONDS = 1.0
# So many workers may vanish over a conversion before it is suspected: one may have been the doing
# of a neighbour, two of a deploy. From then on it is converted alone.
ALONE_AFTER = 2

ENGINE_FAILED_SENTENCE = (
    "The conversion failed for a technical reason that is not the video's fault."
)
STORAGE_FULL_SENTENCE = "There was no room for the video, however often it was tried."


class Setback(StrEnum):
    """Why a worker gives a claim back."""

    DRAINED = "DRAINED"
    """The worker stops; this counts as nothing."""
    ENGINE_FAILED = "ENGINE_FAILED"
    """The engine, or this service, failed in a way that may be the video's doing."""
    OUTAGE = "OUTAGE"
    """Something was away for too long."""
    NO_ROOM = "NO_ROOM"
    """An outage, too: a disk was full, or too small for the video."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """What came of the attempts so far. `losses` are workers that died, or seemed to.

    `losses_alone` are those that did nothing else meanwhile, so that nothing else can be to blame;
    `shortages` are those of the `outages` that were for want of room.
    """

    engine_failures: int = 0
    losses: int = 0
    outages: int = 0
    shortages: int = 0
    losses_alone: int = 0

    def after(self, setback: Setback) -> Attempts:
        """Count one more."""
        match setback:
            case Setback.DRAINED:
                return self
            case Setback.ENGINE_FAILED:
                return replace(self, engine_failures=self.engine_failures + 1)
            case Setback.OUTAGE:
                return replace(self, outages=self.outages + 1)
            case Setback.NO_ROOM:
                return replace(self, outages=self.outages + 1, shortages=self.shortages + 1)

    def rest_seconds(self, setback: Setback) -> float:
        """Tell how long to rest after `setback`, which is counted already."""
        match setback:
            case Setback.DRAINED:
                return 0.0
            case Setback.ENGINE_FAILED:
                return growing_seconds(ENGINE_REST_SECONDS, self.engine_failures)
            case Setback.OUTAGE | Setback.NO_ROOM:
                return growing_seconds(FIRST_REST_SECONDS, self.outages)


def growing_seconds(first: float, count: int, longest: float = LONGEST_REST_SECONDS) -> float:
    """Double `first` for each of `count` but the first, up to `longest`."""
    # Beyond that power every rest is the longest one, and floats have an end.
    return min(longest, first * 2.0 ** min(max(count - 1, 0), 30))


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """Why there will be no further attempt: for programs, for the owner, and for operators."""

    reason: FailureReason
    sentence: str
    detail: str


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """How much of each may happen before a conversion is given up."""

    engine_failures: int = 3
    losses_alone: int = 4
    outages: int = 50

    def exhaustion(self, attempts: Attempts) -> Exhaustion | None:
        """Tell why there must be no further attempt, if so."""
        if attempts.outages >= self.outages and 2 * attempts.shortages >= attempts.outages:
            return Exhaustion(
                FailureReason.STORAGE_FULL,
                STORAGE_FULL_SENTENCE,
                f"no room in {attempts.shortages} attempts",
            )
        if attempts.engine_failures >= self.engine_failures:
            detail = f"the engine failed {attempts.engine_failures} times"
        elif attempts.losses_alone >= self.losses_alone:
            detail = f"{attempts.losses_alone} workers vanished that did nothing else"
        elif attempts.outages >= self.outages:
            detail = f"{attempts.outages} attempts ended in outages"
        else:
            return None
        return Exhaustion(FailureReason.ENGINE_FAILED, ENGINE_FAILED_SENTENCE, detail)
