"""The AudioService over gRPC: unwire, use case, wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

from google.api import httpbody_pb2

from gateway_service.domain import ConversionId, InvalidWaveformFormat
from gateway_service.rpc.calls import Context, account_of, metadata_of
from gateway_service.use_cases.read import DownloadAudio
from gateway_service.use_cases.waveform import GetWaveform
from gateway_service.wire import waveform_json, waveform_png
from tonearm.gateway.v1 import audio_pb2, audio_pb2_grpc
from tonearm_chassis.tokens import TokenVerifier

AS_JSON = ("application/json", waveform_json)
WAVEFORM_FORMATS = {"": AS_JSON, "json": AS_JSON, "png": ("image/png", waveform_png)}


class AudioServicer(audio_pb2_grpc.AudioServiceServicer):
    """The AudioService."""

    def __init__(
        self, tokens: TokenVerifier, download: DownloadAudio, waveform: GetWaveform
    ) -> None:
        """Answer with these use cases."""
        self._tokens = tokens
        self._download = download
        self._waveform = waveform

    async def DownloadAudio(
        self, request: audio_pb2.DownloadAudioRequest, context: Context
    ) -> AsyncIterator[audio_pb2.DownloadAudioResponse]:
        """Hand the audio out."""
        account_id = await account_of(self._tokens, context)
        download = await self._download(account_id, ConversionId(request.conversion_id))
        is_head = metadata_of(context, "x-envoy-original-method") == "HEAD"
        # Before the headers: what cannot be read is an error then, and can be asked for again.
        first = b"" if is_head else await anext(download.pieces, b"")
        await context.send_initial_metadata(
            (
                # Envoy's transcoder drops content-length; its Lua filter renames this one.
                ("x-content-length", str(download.audio.size_bytes)),
                ("content-disposition", _attachment(download.filename)),
                ("cache-control", "private, no-store"),
            )
        )
        yield _audio_piece(first, download.content_type)
        if is_head:
            return
        async for piece in download.pieces:
            yield _audio_piece(piece, download.content_type)

    async def GetWaveform(
        self, request: audio_pb2.GetWaveformRequest, context: Context
    ) -> audio_pb2.GetWaveformResponse:
        """Hand the waveform out, as what was asked for."""
        account_id = await account_of(self._tokens, context)
        if request.format not in WAVEFORM_FORMATS:
            message = "format must be json or png"
            raise InvalidWaveformFormat(message)
        content_type, write = WAVEFORM_FORMATS[request.format]
        found = await self._waveform(account_id, ConversionId(request.conversion_id))
        await context.send_initial_metadata((("cache-control", "private, no-store"),))
        body = httpbody_pb2.HttpBody(content_type=content_type, data=write(found))
        return audio_pb2.GetWaveformResponse(waveform=body)


def _audio_piece(data: bytes, content_type: str) -> audio_pb2.DownloadAudioResponse:
    body = httpbody_pb2.HttpBody(content_type=content_type, data=data)
    return audio_pb2.DownloadAudioResponse(audio=body)


def _attachment(filename: str) -> str:
    """Write Content-Disposition (RFC 6266): a plain name for old clients beside the true one."""
    plain = "".join(
        each if each.isascii() and each.isprintable() and each not in '"\\%' else "_"
        for each in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
