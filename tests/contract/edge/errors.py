"""What every refusal looks like, whoever gives it."""

from __future__ import annotations

from typing import TypedDict

import grpc
import httpx
from google.rpc import error_details_pb2
from grpc_status import rpc_status

ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class Detail(TypedDict):
    """A google.rpc.ErrorInfo as JSON."""

    reason: str
    domain: str


def refusal(answer: httpx.Response) -> tuple[int, str, int]:
    """Return HTTP status, reason and google.rpc.Code of a refusal.

    Raises `AssertionError` if it is not of the one shape that all refusals have.
    """
    assert answer.headers["content-type"] == "application/json", answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "grpc-status" not in answer.headers
    body = answer.json()
    assert set(body) == {"code", "message", "details"}
    assert body["message"]
    assert isinstance(body["code"], int)
    detail = body["details"][0]
    assert detail["@type"] == ERROR_INFO
    assert detail["domain"] == "tonearm"
    assert set(detail) == {"@type", "domain", "reason", "metadata"}
    return answer.status_code, str(detail["reason"]), body["code"]


def rpc_refusal(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
    """Return the status and the reason of a refusal over gRPC.

    Raises `AssertionError` if it carries no rich status, and `ValueError` if that contradicts
    the plain one.
    """
    # Its stubs know only the errors of the synchronous API.
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "tonearm"
    return error.code(), info.reason
