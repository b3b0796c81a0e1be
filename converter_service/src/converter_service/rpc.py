"""ConverterService over gRPC."""

from __future__ import annotations

from typing import Any

import grpc

from converter_service import wire
from converter_service.use_cases.desk import Desk
from tonearm.converter.v1 import converter_pb2, converter_pb2_grpc
from tonearm_chassis.status import StatusTable

NAME = "tonearm.converter.v1.ConverterService"

TABLE: StatusTable = {}

Context = grpc.aio.ServicerContext[Any, Any]


class ConverterServicer(converter_pb2_grpc.ConverterServiceServicer):
    """The ConverterService."""

    def __init__(self, engine_name: str, desk: Desk) -> None:
        """Tell of this engine and the load of `desk`."""
        self._engine_name = engine_name
        self._desk = desk

    async def GetEngine(
        self, _request: converter_pb2.GetEngineRequest, _context: Context
    ) -> converter_pb2.GetEngineResponse:
        """Tell which engine runs here and how busy it is."""
        return wire.engine(self._engine_name, self._desk.slots, self._desk.running)
