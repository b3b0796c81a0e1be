"""All of the gateway's use cases over fakes, put together as `__main__` does it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from gateway_fakes import ADA, RETENTION, CountingWaker, InMemoryConversionStore
from gateway_stores import InMemoryAudioStore, InMemoryVideoLedger, InMemoryVideoStore

from gateway_service.domain import AccountId, Change, Conversion, ConversionId
from gateway_service.use_cases.change import CancelConversion, DeleteConversion, RetryConversion
from gateway_service.use_cases.follow import ApplyChange, Reminder
from gateway_service.use_cases.read import DownloadAudio, FindAudio, GetConversion
from gateway_service.use_cases.request import RequestConversion
from gateway_service.use_cases.sweep import Patience, Stores, Sweeper
from gateway_service.use_cases.upload import Declaration, Limits, UploadVideo
from gateway_service.use_cases.wakeful import Alarm
from gateway_service.use_cases.waveform import GetWaveform
from tonearm_chassis.clock import Clock
from tonearm_chassis.testing.clock import FakeClock

VIDEO = b"0123456789" * 10
SHA256 = hashlib.sha256(VIDEO).hexdigest()
IDLE_SECONDS = 3600.0
MEMORY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept outside, and outlives a gateway."""

    conversions: InMemoryConversionStore = field(default_factory=InMemoryConversionStore)
    ledger: InMemoryVideoLedger = field(default_factory=InMemoryVideoLedger)
    videos: InMemoryVideoStore = field(default_factory=InMemoryVideoStore)
    audio: InMemoryAudioStore = field(default_factory=InMemoryAudioStore)
    clock: FakeClock = field(default_factory=FakeClock)


class World:
    """One gateway; another one over the same things is its twin."""

    def __init__(self, kept: Kept | None = None, clock: Clock | None = None) -> None:
        """Put it together; videos have at most 1000 bytes."""
        self.kept = kept or Kept()
        self.clock = clock or self.kept.clock
        self.conversions, self.ledger = self.kept.conversions, self.kept.ledger
        self.videos, self.audio = self.kept.videos, self.kept.audio
        self.relay, self.alarm = CountingWaker(), Alarm()
        self.woken = CountingWaker()
        self.get = GetConversion(self.conversions)
        request = RequestConversion(
            self.conversions, self.ledger, self.relay, self.woken, self.clock
        )
        self.upload = UploadVideo(
            self.videos, self.ledger, request, self.clock, Limits(1000, IDLE_SECONDS)
        )
        self.cancel = CancelConversion(
            self.get, self.conversions, self.relay, self.clock, RETENTION
        )
        self.retry = RetryConversion(self.get, self.conversions, self.ledger, request, self.clock)
        self.delete = DeleteConversion(self.conversions, self.relay, self.woken, self.clock)
        self.apply = ApplyChange(self.conversions, self.relay, self.clock, RETENTION)
        self.reminder = Reminder(self.conversions, self.relay, self.clock, 10.0)
        find = FindAudio(self.get, self.clock)
        self.download = DownloadAudio(find, self.audio)
        self.waveform = GetWaveform(find, self.audio)
        self.sweeper = Sweeper(
            Stores(self.videos, self.audio, self.ledger, self.conversions, self.conversions),
            self.alarm,
            self.clock,
            Patience(60.0, IDLE_SECONDS, IDLE_SECONDS, MEMORY, RETENTION),
        )

    async def uploaded(self, request_id: str = "") -> Conversion:
        """Upload a video of Ada's."""
        return await self.upload(ADA, declared(request_id=request_id), pieces())

    async def told(self, conversion: Conversion, *changes: Change) -> Conversion:
        """Apply news, and give the conversion as it is then."""
        for change in changes:
            await self.apply(conversion.id, change)
        return self.conversions.rows[conversion.id]

    async def swept(self, **later: float) -> None:
        """Sweep, so much later."""
        self.kept.clock.advance(timedelta(**later).total_seconds())
        await self.sweeper.sweep()

    def is_empty(self) -> bool:
        """Tell whether nothing at all is kept."""
        kept = (self.videos.videos, self.videos.halves, self.conversions.rows, self.ledger.entries)
        return not any(kept)


async def pieces(video: bytes = VIDEO, size: int = 7) -> AsyncIterator[bytes]:
    """Send a video in small pieces."""
    for start in range(0, len(video), size):
        yield video[start : start + size]


def declared(**changes: Any) -> Declaration:  # noqa: ANN401 - dataclasses.replace takes any field
    """Declare the video."""
    return replace(Declaration("holiday.mp4", size_bytes=len(VIDEO)), **changes)


def ids_of(conversion: Conversion) -> tuple[AccountId, ConversionId]:
    """Name a conversion as its owner does."""
    return conversion.owner.account_id, conversion.id
