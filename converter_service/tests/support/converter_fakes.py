"""The world around a converter, by hand."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from converter_service.domain import (
    AudioId,
    Claim,
    ClaimLost,
    ConversionId,
    DecodedAudio,
    EncodeReport,
    Order,
    Outcome,
    SourceAudio,
    StoredAudio,
    VideoId,
    VideoLost,
)
from converter_service.ports import Progress, Standing, Workplace
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage

LEASE_SECONDS = 15.0
VIDEO = b"a video"
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def order(number: int = 1, video: bytes = VIDEO, bitrate_kbps: int = 0) -> Order:
    """Make an order; each number is a conversion of its own, later than the ones before."""
    return Order(
        conversion_id=ConversionId(f"{number:032x}"),
        video_id=VideoId(f"video-{number}"),
        size_bytes=len(video),
        sha256=hashlib.sha256(video).hexdigest(),
        bitrate_kbps=bitrate_kbps,
        create_time=CREATED.replace(microsecond=number * 1000),
    )


@dataclass(slots=True)
class _Record:
    order: Order
    fence: int = 0
    owner: str = ""
    lease_until: float = 0.0
    engine_failures: int = 0
    outcome: Outcome | None = None
    called_off: bool = False

    @property
    def over(self) -> bool:
        return self.called_off or self.outcome is not None


class InMemoryClaimStore:
    """A `ClaimStore` whose server time is a clock's."""

    def __init__(self, clock: Clock, lease_seconds: float = LEASE_SECONDS) -> None:
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._records: dict[ConversionId, _Record] = {}
        self.promised: list[tuple[str, int]] = []
        self.outages = 0

    async def claim(self, order: Order, owner: str) -> Claim | Standing:
        record = self._record(order)
        if record.over:
            return Standing.OVER
        if record.lease_until > self._clock.monotonic() and record.owner != owner:
            return Standing.HELD
        if record.owner != owner:
            record.fence += 1
        record.owner = owner
        record.lease_until = self._clock.monotonic() + self._lease_seconds
        return Claim(order, record.fence, record.engine_failures)

    async def leave(self, order: Order) -> Literal[Standing.OVER] | None:
        return Standing.OVER if self._record(order).over else None

    async def due(self, limit: int) -> list[Order]:
        self._fail()
        orders = [
            record.order
            for record in self._records.values()
            if not record.over and record.lease_until <= self._clock.monotonic()
        ]
        return sorted(orders, key=lambda each: each.create_time)[:limit]

    async def announce_start(self, claim: Claim, start_time: datetime) -> None:  # noqa: ARG002 - the port has it
        self._mine(claim)
        self.promised.append(("ConversionStarted", claim.fence))

    async def renew(self, claim: Claim) -> None:
        self._fail()
        record = self._records[claim.order.conversion_id]
        if record.outcome and record.fence == claim.fence:
            return
        self._mine(claim).lease_until = self._clock.monotonic() + self._lease_seconds

    async def finish(self, claim: Claim, outcome: Outcome) -> None:
        self._fail()
        record = self._records[claim.order.conversion_id]
        if record.outcome and record.fence == claim.fence:
            return
        self._mine(claim).outcome = outcome
        self.promised.append((_event(outcome), claim.fence))

    async def announce_outcome(self, conversion_id: ConversionId) -> None:
        record = self._records.get(conversion_id)
        if record and record.outcome:
            self.promised.append((_event(record.outcome), record.fence))

    async def release(self, claim: Claim, *, rest_seconds: float, engine_failed: bool) -> None:
        try:
            record = self._mine(claim)
        except ClaimLost:
            return
        record.owner = ""
        record.lease_until = self._clock.monotonic() + rest_seconds
        record.engine_failures = claim.engine_failures + int(engine_failed)

    async def call_off(self, conversion_id: ConversionId) -> None:
        record = self._records.setdefault(
            conversion_id, _Record(replace(order(), conversion_id=conversion_id))
        )
        record.called_off = record.outcome is None

    def outcome(self, conversion_id: ConversionId) -> Outcome | None:
        return self._records[conversion_id].outcome

    def _record(self, order: Order) -> _Record:
        self._fail()
        return self._records.setdefault(order.conversion_id, _Record(order))

    def _mine(self, claim: Claim) -> _Record:
        self._fail()
        record = self._records[claim.order.conversion_id]
        if record.over or record.fence != claim.fence:
            raise ClaimLost
        return record

    def _fail(self) -> None:
        if self.outages:
            self.outages -= 1
            raise Outage("claims: away")


def _event(outcome: Outcome) -> str:
    return f"Conversion{type(outcome).__name__}"


class InMemoryVideoStore:
    """A `VideoStore` with one video for everybody, or none."""

    def __init__(self, video: bytes | None = VIDEO) -> None:
        self.video = video
        self.outages = 0

    async def copy(self, order: Order, target: Path) -> None:
        if self.outages:
            self.outages -= 1
            raise Outage("videos: away")
        if self.video is None or hashlib.sha256(self.video).hexdigest() != order.sha256:
            raise VideoLost
        await asyncio.to_thread(target.write_bytes, self.video)


class InMemoryAudioStore:
    """An `AudioStore` in a dictionary."""

    def __init__(self) -> None:
        self.files: dict[AudioId, bytes] = {}
        self.outages = 0

    async def put(self, audio_id: AudioId, source: Path) -> StoredAudio:
        if self.outages:
            self.outages -= 1
            raise Outage("audio: away")
        content = await asyncio.to_thread(source.read_bytes)
        self.files[audio_id] = content
        return StoredAudio(audio_id, len(content), hashlib.sha256(content).hexdigest())

    async def remove(self, audio_id: AudioId) -> None:
        self.files.pop(audio_id, None)


async def _nothing() -> None:
    return


@dataclass(slots=True)
class FakeEngine:
    """An `Engine` that makes ten seconds of perfect audio, or raises what it is told."""

    name: str = "fake 1.0"
    source: SourceAudio = field(
        default_factory=lambda: SourceAudio("mov", "aac", 10.0, 10.0, 10.0, cut_off=False)
    )
    failures: list[Exception] = field(default_factory=list)
    while_encoding: Callable[[], object] = _nothing
    encoded: int = 0

    async def inspect(self, source: Path) -> SourceAudio:  # noqa: ARG002 - the port has it
        return self.source

    async def encode(
        self,
        source: Path,  # noqa: ARG002 - the port has it
        target: Path,
        *,
        bitrate_kbps: int,  # noqa: ARG002 - the port has it
        seconds: float,
        progress: Progress,
    ) -> EncodeReport:
        progress(seconds / 2)
        waiting = self.while_encoding()
        if asyncio.iscoroutine(waiting):
            await waiting
        if self.failures:
            raise self.failures.pop(0)
        self.encoded += 1
        await asyncio.to_thread(target.write_bytes, b"an MP3")
        progress(seconds)
        return EncodeReport(441_000, 44_100, 441_000)

    async def decode(self, audio: Path, *, seconds: float) -> DecodedAudio:  # noqa: ARG002 - the port has it
        return DecodedAudio(441_000, 441_000, 44_100, 2, -3.0)


class FakeWorkshop:
    """A `Workshop` in the test's own directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.full_from_look = 0
        """Which look at the disk is the first to find it full, counted from 1; 0: none."""
        self.wanted_bytes: list[int] = []
        self.opened = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Workplace]:
        self.opened += 1
        yield Workplace(self._root / f"video-{self.opened}", self._root / f"audio-{self.opened}")

    def require_space(self, wanted_bytes: int = 0) -> None:
        self.wanted_bytes.append(wanted_bytes)
        if 0 < self.full_from_look <= len(self.wanted_bytes):
            raise Outage("scratch: full")


@dataclass(slots=True)
class RecordedProgress:
    """A `ProgressChannel` that keeps what it hears."""

    shares: list[float] = field(default_factory=list)

    def report(self, claim: Claim, share: float) -> None:  # noqa: ARG002 - the port has it
        self.shares.append(share)
