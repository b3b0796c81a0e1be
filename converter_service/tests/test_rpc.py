"""ConverterService, called over gRPC."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from converter_fakes import VIDEO, FakeEngine, FakeWorkshop, InMemoryClaimStore, InMemoryVideoStore

from converter_service import rpc
from converter_service.domain import (
    Claim,
    ConversionTimedOut,
    EngineFailure,
    NoAudio,
    UnreadableVideo,
)
from converter_service.use_cases.desk import Desk
from converter_service.use_cases.inspect_video import InspectVideo
from converter_service.use_cases.suspicion import Suspicion
from tonearm.converter.v1 import converter_pb2, converter_pb2_grpc
from tonearm_chassis.server import Binding
from tonearm_chassis.status import reason_of
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.rpc import serving

WANTED = converter_pb2.InspectVideoRequest(
    video_id="v", size_bytes=len(VIDEO), sha256=hashlib.sha256(VIDEO).hexdigest()
)


@pytest.fixture
def looking() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
async def stub(
    tmp_path: Path, looking: FakeEngine
) -> AsyncIterator[converter_pb2_grpc.ConverterServiceAsyncStub]:
    async def convert(claim: Claim) -> None:
        raise AssertionError(claim)

    desk = Desk(InMemoryClaimStore(FakeClock()), convert, Suspicion(FakeClock()), slots=3)
    inspect = InspectVideo(InMemoryVideoStore(), looking, FakeWorkshop(tmp_path))
    servicer = rpc.ConverterServicer("ffmpeg 9.0.2", desk, inspect)
    binding = Binding(
        rpc.NAME,
        lambda server: converter_pb2_grpc.add_ConverterServiceServicer_to_server(servicer, server),
    )
    async with serving([binding], rpc.TABLE) as channel:
        yield converter_pb2_grpc.ConverterServiceStub(channel)


async def test_a_worker_tells_its_engine_and_its_load(
    stub: converter_pb2_grpc.ConverterServiceAsyncStub,
) -> None:
    answer = await stub.GetEngine(converter_pb2.GetEngineRequest())

    assert answer.engine == "ffmpeg 9.0.2"
    assert (answer.slots, answer.running) == (3, 0)


async def test_a_worker_tells_what_a_stored_video_is(
    stub: converter_pb2_grpc.ConverterServiceAsyncStub,
) -> None:
    answer = await stub.InspectVideo(WANTED)

    assert answer.source.container == "mov"
    assert [each.codec for each in answer.source.audio_tracks] == ["aac"]
    assert answer.source.duration.seconds == 10


@pytest.mark.parametrize(
    ("failure", "code", "reason"),
    [
        (UnreadableVideo(), grpc.StatusCode.FAILED_PRECONDITION, "UNREADABLE_VIDEO"),
        (NoAudio(), grpc.StatusCode.FAILED_PRECONDITION, "NO_AUDIO"),
        (ConversionTimedOut(), grpc.StatusCode.DEADLINE_EXCEEDED, "TIMED_OUT"),
        (EngineFailure("x"), grpc.StatusCode.UNAVAILABLE, "ENGINE_FAILED"),
    ],
    ids=str,
)
async def test_a_look_that_finds_nothing_says_why(
    stub: converter_pb2_grpc.ConverterServiceAsyncStub,
    looking: FakeEngine,
    failure: Exception,
    code: grpc.StatusCode,
    reason: str,
) -> None:
    looking.unreadable = failure

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.InspectVideo(WANTED)

    assert (caught.value.code(), reason_of(caught.value)) == (code, reason)


async def test_another_video_than_the_named_one_is_not_looked_at(
    stub: converter_pb2_grpc.ConverterServiceAsyncStub,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.InspectVideo(converter_pb2.InspectVideoRequest(video_id="v", sha256="0" * 64))

    assert reason_of(caught.value) == "VIDEO_LOST"
