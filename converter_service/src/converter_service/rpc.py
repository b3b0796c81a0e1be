"""ConverterService over gRPC."""

from __future__ import annotations

from typing import Any

import grpc

from converter_service import domain, wire
from converter_service.use_cases.desk import Desk
from converter_service.use_cases.inspect_video import InspectVideo
from tonearm.converter.v1 import converter_pb2, converter_pb2_grpc
from tonearm_chassis.status import Answer, StatusTable

NAME = "tonearm.converter.v1.ConverterService"

PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

TABLE: StatusTable = {
    domain.VideoLost: Answer(PRECONDITION, "VIDEO_LOST"),
    domain.UnreadableVideo: Answer(PRECONDITION, "UNREADABLE_VIDEO"),
    domain.NoAudio: Answer(PRECONDITION, "NO_AUDIO"),
    domain.ConversionTimedOut: Answer(grpc.StatusCode.DEADLINE_EXCEEDED, "TIMED_OUT"),
    domain.EngineFailure: Answer(grpc.StatusCode.UNAVAILABLE, "ENGINE_FAILED"),
}

Context = grpc.aio.ServicerContext[Any, Any]


class ConverterServicer(converter_pb2_grpc.ConverterServiceServicer):
    """The ConverterService."""

    def __init__(self, engine_name: str, desk: Desk, inspect: InspectVideo) -> None:
        """Tell of this engine and the load of `desk`, and look at videos with `inspect`."""
        self._engine_name = engine_name
        self._desk = desk
        self._inspect = inspect

    async def GetEngine(
        self, _request: converter_pb2.GetEngineRequest, _context: Context
    ) -> converter_pb2.GetEngineResponse:
        """Tell which engine runs here and how busy it is."""
        return wire.engine(self._engine_name, self._desk.slots, self._desk.running)

    async def InspectVideo(
        self, request: converter_pb2.InspectVideoRequest, _context: Context
    ) -> converter_pb2.InspectVideoResponse:
        """Tell what a stored video is."""
        source = await self._inspect(
            domain.VideoId(request.video_id), request.size_bytes, request.sha256
        )
        return converter_pb2.InspectVideoResponse(source=wire.source_message(source))
