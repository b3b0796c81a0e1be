"""ConverterService, called over gRPC."""

from __future__ import annotations

from converter_fakes import InMemoryClaimStore

from converter_service import rpc
from converter_service.domain import Claim
from converter_service.use_cases.desk import Desk
from converter_service.use_cases.suspicion import Suspicion
from tonearm.converter.v1 import converter_pb2, converter_pb2_grpc
from tonearm_chassis.server import Binding
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.rpc import serving


async def test_a_worker_tells_its_engine_and_its_load() -> None:
    async def convert(claim: Claim) -> None:
        raise AssertionError(claim)

    desk = Desk(InMemoryClaimStore(FakeClock()), convert, Suspicion(FakeClock()), slots=3)
    servicer = rpc.ConverterServicer("ffmpeg 9.0.2", desk)
    binding = Binding(
        rpc.NAME,
        lambda server: converter_pb2_grpc.add_ConverterServiceServicer_to_server(servicer, server),
    )

    async with serving([binding], rpc.TABLE) as channel:
        stub = converter_pb2_grpc.ConverterServiceStub(channel)
        answer = await stub.GetEngine(converter_pb2.GetEngineRequest())

    assert answer.engine == "ffmpeg 9.0.2"
    assert (answer.slots, answer.running) == (3, 0)
