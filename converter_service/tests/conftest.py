"""What the converter's tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from converter_desk import Conversions
from converter_fakes import (
    DEFAULT,
    LEASE_SECONDS,
    InMemoryAudioStore,
    InMemoryCheckpointStore,
    InMemoryClaimStore,
    InMemoryGiveUps,
    InMemoryVideoStore,
    RecordedProgress,
    order,
)
from converter_jobs import Convert
from converter_media import MediaMaker
from converter_records import Records, in_memory, in_mongodb
from pymongo import AsyncMongoClient

from converter_service.adapters.engine_patience import Patience
from converter_service.adapters.ffmpeg import FfmpegEngine, find_ffmpeg
from converter_service.adapters.scratch import ScratchWorkshop
from converter_service.domain import Claim, Options, Outcome
from converter_service.use_cases.convert_video import ConvertVideo, Equipment
from converter_service.use_cases.desk import Desk
from converter_service.use_cases.suspicion import Suspicion
from tonearm_chassis import mongo
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.mongo import PROGRAM, mongo_program, mongo_server


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> MediaMaker:
    return MediaMaker(find_ffmpeg(""), tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="session")
def engine() -> FfmpegEngine:
    return FfmpegEngine(find_ffmpeg(""), Patience())


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if mongo_program() is None:
        pytest.skip(reason=f"{PROGRAM} is not installed")
    with mongo_server(tmp_path_factory.mktemp("store")) as uri:
        yield uri


@pytest.fixture
async def mongodb(mongodb_uri: str) -> AsyncIterator[AsyncMongoClient[mongo.Document]]:
    async with mongo.connect(mongodb_uri) as client:
        yield client


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture(params=["memory", "mongodb"])
async def records(request: pytest.FixtureRequest) -> AsyncIterator[Records]:
    if request.param == "memory":
        yield in_memory()
        return
    async for each in in_mongodb(request.getfixturevalue("mongodb_uri")):
        yield each


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until it is told."""
    return FakeClock()


@pytest.fixture
def claims(clock: FakeClock) -> InMemoryClaimStore:
    """Claims that live in memory."""
    return InMemoryClaimStore(clock)


@pytest.fixture
def conversions(claims: InMemoryClaimStore, clock: FakeClock) -> Conversions:
    """Conversions that end when the test says so."""
    return Conversions(claims, clock)


@pytest.fixture
def suspicion(clock: FakeClock) -> Suspicion:
    """What this worker suspects."""
    return Suspicion(clock)


@pytest.fixture
async def desk(
    claims: InMemoryClaimStore, conversions: Conversions, suspicion: Suspicion
) -> AsyncIterator[Desk]:
    """A desk with two slots; what it runs is let finish at the end."""
    desk = Desk(claims, conversions, suspicion, slots=2)
    yield desk
    conversions.finish.set()
    stopped = asyncio.Event()
    stopped.set()
    await desk.run(stopped)


@pytest.fixture
def audio() -> InMemoryAudioStore:
    return InMemoryAudioStore()


@pytest.fixture
def progress() -> RecordedProgress:
    return RecordedProgress()


@pytest.fixture
def convert(
    engine: FfmpegEngine, scratch: Path, audio: InMemoryAudioStore, progress: RecordedProgress
) -> Convert:
    async def convert(path: Path, options: Options = DEFAULT) -> Outcome:
        clock = SystemClock()
        claims = InMemoryClaimStore(clock)
        video = await asyncio.to_thread(path.read_bytes)
        ordered = order(video=video, options=options)
        claim = await claims.claim(ordered, "me")
        assert isinstance(claim, Claim)
        workshop, videos = ScratchWorkshop(scratch), InMemoryVideoStore(video)
        await ConvertVideo(
            Equipment(
                clock,
                claims,
                videos,
                audio,
                InMemoryCheckpointStore(clock),
                engine,
                workshop,
                progress,
                Suspicion(clock),
                InMemoryGiveUps(clock),
                LEASE_SECONDS,
            )
        )(claim)
        workshop.close()
        outcome = claims.outcome(ordered.conversion_id)
        assert outcome is not None
        return outcome

    return convert
