"""What the use cases need of the world; the contracts are in the docstrings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import Literal, Protocol

from converter_service.domain import (
    AudioId,
    Claim,
    ConversionId,
    DecodedAudio,
    EncodeReport,
    Order,
    Outcome,
    SourceAudio,
    StoredAudio,
)

Progress = Callable[[float], None]
"""Takes the seconds of audio that are done; must not block."""


class Standing(Enum):
    """Where a conversion stands that this worker does not get."""

    HELD = auto()
    """Somebody holds it, and their lease runs."""
    OVER = auto()
    """It has its outcome, or was called off."""


class ClaimStore(Protocol):
    """Who converts what, and how it ended: the record that decides.

    Time is the store's own. Every method may raise `Outage`; repeating it then is safe.
    """

    async def claim(self, order: Order, owner: str) -> Claim | Standing:
        """Take the conversion if nobody holds it and it is not over.

        `owner` names this attempt: a repeat with the same owner gets the same claim. The claim
        holds for one lease. Every new holder gets a higher fence than all before.
        """
        ...

    async def leave(self, order: Order) -> Literal[Standing.OVER] | None:
        """Record an order for whoever is free first; None unless it is over.

        A repeat, or an order that is known already, changes nothing.
        """
        ...

    async def due(self, limit: int) -> list[Order]:
        """List orders that nobody holds and that are not over, oldest first."""
        ...

    async def announce_start(self, claim: Claim, start_time: datetime) -> None:
        """Promise the event that the conversion started. Raises `ClaimLost`."""
        ...

    async def renew(self, claim: Claim) -> None:
        """Hold the claim for another lease; nothing if it is finished by this very claim.

        Raises `ClaimLost` if it is over otherwise, or somebody else's.
        """
        ...

    async def finish(self, claim: Claim, outcome: Outcome) -> None:
        """Record the outcome and promise its event, in one write. Raises `ClaimLost`.

        Exactly one outcome is ever recorded. A repeat after it was recorded raises `ClaimLost`
        only if the outcome is another claim's.
        """
        ...

    async def announce_outcome(self, conversion_id: ConversionId) -> None:
        """Promise the recorded outcome's event again; nothing if there is none."""
        ...

    async def release(self, claim: Claim, *, rest_seconds: float, engine_failed: bool) -> None:
        """Let somebody else have it, after a rest; nothing if the claim was lost already."""
        ...

    async def call_off(self, conversion_id: ConversionId) -> None:
        """End a conversion without an outcome; nothing if it is over. Its holder loses it."""
        ...


class VideoStore(Protocol):
    """Where uploaded videos wait."""

    async def copy(self, order: Order, target: Path) -> None:
        """Copy the ordered video into a new file, comparing length and SHA-256 on the way.

        Raises `VideoLost` if it is missing or is not what was ordered, and `Outage`.
        """
        ...


class AudioStore(Protocol):
    """Where finished audio is kept."""

    async def put(self, audio_id: AudioId, source: Path) -> StoredAudio:
        """Store a file under an id chosen by the caller, in place of what may be there.

        Raises `Outage`; a repeat then stores it whole.
        """
        ...

    async def remove(self, audio_id: AudioId) -> None:
        """Delete audio; nothing if there is none. Raises `Outage`."""
        ...


class Engine(Protocol):
    """What reads media and makes MP3s. Needs memory in proportion to nothing.

    Raises `ConversionTimedOut` if it runs beyond its limits, `EngineFailure` if it fails for a
    reason that is not the file's fault. Cancelling a call ends all its processes first.
    """

    @property
    def name(self) -> str:
        """Tell the engine's name and version."""
        ...

    async def inspect(self, source: Path) -> SourceAudio:
        """Look at a file's first audio track. Raises `UnreadableVideo` and `NoAudio`."""
        ...

    async def encode(
        self, source: Path, target: Path, *, bitrate_kbps: int, seconds: float, progress: Progress
    ) -> EncodeReport:
        """Encode the first audio track, expected to last `seconds`, into a new MP3 file.

        Raises `UnreadableVideo` if nothing can be decoded. A report is no proof: decode the file.
        """
        ...

    async def decode(self, audio: Path, *, seconds: float) -> DecodedAudio:
        """Decode an MP3 from end to end and measure it."""
        ...


@dataclass(frozen=True, slots=True)
class Workplace:
    """A private directory for one conversion."""

    video: Path
    audio: Path


class Workshop(Protocol):
    """Where conversions keep their files while they run."""

    def open(self) -> AbstractAsyncContextManager[Workplace]:
        """Make an empty workplace; leaving the context removes it with all that is in it."""
        ...

    def require_space(self, wanted_bytes: int = 0) -> None:
        """Raise `Outage` if the disk is full, or would be with so much more on it."""
        ...


class ProgressChannel(Protocol):
    """Where listeners hear how far a conversion is. Lossy: nothing depends on it."""

    def report(self, claim: Claim, share: float) -> None:
        """Tell that `share` (0 to 1) is done; returns at once, may drop it, raises nothing."""
        ...
