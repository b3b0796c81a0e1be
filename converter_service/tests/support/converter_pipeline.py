"""A converter with a real engine, a real scratch directory, and everything else by hand."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from converter_fakes import (
    LEASE_SECONDS,
    InMemoryAudioStore,
    InMemoryCheckpointStore,
    InMemoryClaimStore,
    InMemoryGiveUps,
    InMemoryVideoStore,
    RecordedProgress,
    order,
)

from converter_service.adapters.ffmpeg import FfmpegEngine
from converter_service.adapters.scratch import ScratchWorkshop
from converter_service.domain import (
    Claim,
    DecodedAudio,
    EncodeReport,
    Measured,
    Options,
    Outcome,
    Recipe,
    Source,
    SourceLimits,
)
from converter_service.ports import Checkpoints, Progress
from converter_service.use_cases.convert_video import ConvertVideo, Equipment
from converter_service.use_cases.suspicion import Suspicion
from tonearm_chassis.clock import SystemClock

DEFAULT = Options()


@dataclass(slots=True)
class WatchedEngine:
    """An engine that counts how often it was asked to encode."""

    engine: FfmpegEngine
    encoded: int = 0

    @property
    def name(self) -> str:
        return self.engine.name

    async def inspect(self, source: Path) -> Source:
        return await self.engine.inspect(source)

    async def measure(self, source: Path, recipe: Recipe) -> Measured:
        return await self.engine.measure(source, recipe)

    async def encode(
        self,
        source: Path,
        target: Path,
        recipe: Recipe,
        progress: Progress,
        checkpoints: Checkpoints | None = None,
    ) -> EncodeReport:
        self.encoded += 1
        return await self.engine.encode(source, target, recipe, progress, checkpoints)

    async def decode(self, audio: Path, recipe: Recipe) -> DecodedAudio:
        return await self.engine.decode(audio, recipe)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Converts files from stored video to recorded outcome."""

    engine: WatchedEngine
    scratch: Path
    limits: SourceLimits = field(default_factory=SourceLimits)
    audio: InMemoryAudioStore = field(default_factory=InMemoryAudioStore)

    async def convert(self, path: Path, options: Options = DEFAULT) -> Outcome | None:
        """Convert; None if the claim was given back."""
        clock = SystemClock()
        claims = InMemoryClaimStore(clock)
        video = await asyncio.to_thread(path.read_bytes)
        ordered = order(video=video, options=options)
        claim = await claims.claim(ordered, "me")
        assert isinstance(claim, Claim)
        workshop = ScratchWorkshop(self.scratch)
        equipment = Equipment(
            clock,
            claims,
            InMemoryVideoStore(video),
            self.audio,
            InMemoryCheckpointStore(clock),
            self.engine,
            workshop,
            RecordedProgress(),
            Suspicion(clock),
            InMemoryGiveUps(clock),
            LEASE_SECONDS,
            source_limits=self.limits,
        )
        with closing(workshop):
            await ConvertVideo(equipment)(claim)
        return claims.outcome(ordered.conversion_id)
