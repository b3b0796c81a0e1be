"""Answer errors as AIP-193 has it: a status code, a sentence, an ErrorInfo for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "tonearm"
DETAILS_KEY = "grpc-status-details-bin"
HTTP_STATUS_KEY = "x-http-code"  # the edge turns it into the status of a REST answer
# The text travels in the trailers twice; a client that gets more than 8 KiB of those gives up.
MAX_TEXT_LENGTH = 500
# Where a field is to blame, it travels once more.
MAX_DESCRIPTION_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """How an exception is answered: the status code, and the reason that programs compare.

    `http_status` is for REST alone, where the one that the code stands for says too little.
    """

    code: grpc.StatusCode
    reason: str
    http_status: int | None = None


StatusTable = Mapping[type[Exception], Answer]
"""Exactly one table a service: refusal -> answer. The refusal's text goes to the caller, and its
`field`, if it has one, as a google.rpc.BadRequest."""


class AbortableContext(Protocol):
    """The part of a servicer context that ends a call."""

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: tuple[tuple[str, str | bytes], ...] = (),
    ) -> NoReturn:
        """End the call with an error."""
        ...


def error_status(
    code: grpc.StatusCode, reason: str, message: str, field: str = ""
) -> status_pb2.Status:
    """Make the google.rpc.Status that says all of it; `field` becomes a BadRequest."""
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN))
    details = [info]
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=field, description=message[:MAX_DESCRIPTION_LENGTH]
        )
        bad = any_pb2.Any()
        bad.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
        details.append(bad)
    number: int = code.value[0]
    return status_pb2.Status(code=number, message=message, details=details)


def field_of(error: Exception) -> str:
    """Tell which field of the request a refusal blames, if it says so in `field`."""
    return str(getattr(error, "field", ""))


async def abort(
    context: AbortableContext, answer: Answer, message: str, field: str = ""
) -> NoReturn:
    """End the call with a rich status; a text that is too long for trailers is cut."""
    text = message[:MAX_TEXT_LENGTH]
    status = error_status(answer.code, answer.reason, text, field)
    trailers: tuple[tuple[str, str | bytes], ...] = ((DETAILS_KEY, status.SerializeToString()),)
    if answer.http_status is not None:
        trailers += ((HTTP_STATUS_KEY, str(answer.http_status)),)
    await context.abort(answer.code, text, trailers)


def answer_for(table: StatusTable, error: Exception) -> Answer | None:
    """Find the answer for `error` by its class or the nearest base class in the table."""
    for cls in type(error).__mro__:
        if cls in table:
            return table[cls]
    return None


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Read the ErrorInfo.reason out of an error that a client caught; empty if there is none."""
    info = error_details_pb2.ErrorInfo()
    return str(info.reason) if _unpack(error, info) else ""


def blamed_fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Read the fields of the request that an error blames."""
    bad = error_details_pb2.BadRequest()
    return [str(each.field) for each in bad.field_violations] if _unpack(error, bad) else []


def _unpack(error: grpc.aio.AioRpcError, detail: Message) -> bool:
    """Find a detail of this type; False if there is none."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            encoded = value if isinstance(value, bytes) else value.encode()
            status = status_pb2.Status.FromString(encoded)
            return any(each.Unpack(detail) for each in status.details)
    return False
