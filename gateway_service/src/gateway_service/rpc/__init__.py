"""The gateway's services over gRPC, a file for each, and the one table of refusals."""

from __future__ import annotations

from gateway_service.rpc.audio import AudioServicer
from gateway_service.rpc.conversions import Changing, ConversionServicer, Reading
from gateway_service.rpc.page import PageServicer
from gateway_service.rpc.table import TABLE
from gateway_service.rpc.uploads import UploadServicer

__all__ = [
    "TABLE",
    "AudioServicer",
    "Changing",
    "ConversionServicer",
    "PageServicer",
    "Reading",
    "UploadServicer",
]
