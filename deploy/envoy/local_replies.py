"""What Envoy says when it answers for itself, in the words a service would use."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# google.rpc.Code
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
RESOURCE_EXHAUSTED = 8
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16

# What Envoy tells gRPC callers for an HTTP status; no setting changes it.
GRPC_CODES = {
    400: INTERNAL,
    401: UNAUTHENTICATED,
    404: UNIMPLEMENTED,
    429: RESOURCE_EXHAUSTED,
    503: UNAVAILABLE,
    504: UNAVAILABLE,
}

DOMAIN = "tonearm"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
# The transcoder makes a gRPC request of a REST one, but leaves the first path behind.
FROM_GRPC = (
    "request.headers['content-type'].startsWith('application/grpc')"
    " && !('x-envoy-original-path' in request.headers)"
)


@dataclass(frozen=True, slots=True)
class LocalReply:
    """One reason for which Envoy answers a request itself.

    `when` is a CEL expression over Envoy's attributes. `code` is the google.rpc.Code that REST
    callers read; a `message` with Envoy's own words (`%LOCAL_REPLY_BODY%`) only arises for them.
    """

    reason: str
    when: str
    http_status: int
    code: int
    message: str
    headers: Mapping[str, str]

    @property
    def grpc_code(self) -> int:
        """The google.rpc.Code that gRPC callers get."""
        return GRPC_CODES.get(self.http_status, UNKNOWN)


def _details(text: str) -> str:
    return f"response.code_details.contains('{text}')"


_BEARER = {"www-authenticate": 'Bearer realm="tonearm"'}
_BAD_BEARER = {"www-authenticate": 'Bearer realm="tonearm", error="invalid_token"'}
_SOON = {"retry-after": "1"}

# The first whose expression holds is given; the last one always does.
LOCAL_REPLIES = (
    LocalReply(
        "MISSING_TOKEN",
        _details("jwt_authn_access_denied{Jwt_is_missing"),
        401,
        UNAUTHENTICATED,
        'Log in and send the access token as "authorization: Bearer ...".',
        _BEARER,
    ),
    LocalReply(
        "EXPIRED_TOKEN",
        _details("jwt_authn_access_denied{Jwt_is_expired"),
        401,
        UNAUTHENTICATED,
        "The access token has expired; log in again.",
        _BAD_BEARER,
    ),
    LocalReply(
        "UPSTREAM_UNAVAILABLE",
        _details("jwt_authn_access_denied{Jwks_remote_fetch"),
        503,
        UNAVAILABLE,
        "Access tokens cannot be verified at the moment; try again soon.",
        _SOON,
    ),
    LocalReply(
        "INVALID_TOKEN",
        _details("jwt_authn_access_denied"),
        401,
        UNAUTHENTICATED,
        "The access token is not valid here; log in again.",
        _BAD_BEARER,
    ),
    LocalReply(
        "RATE_LIMITED",
        "response.code == 429",
        429,
        RESOURCE_EXHAUSTED,
        "Too many attempts from this address; try again later.",
        {},
    ),
    LocalReply(
        "UNKNOWN_ROUTE",
        "response.code == 404",
        404,
        NOT_FOUND,
        "There is nothing of this name and method here.",
        {},
    ),
    LocalReply(
        "INVALID_QUERY_PARAMETER",
        _details("early_grpc_json_transcode_failure"),
        400,
        INVALID_ARGUMENT,
        "%LOCAL_REPLY_BODY%",
        {},
    ),
    LocalReply(
        "VIDEO_TOO_LARGE",
        f"response.code == 413 && {_details('request_payload_too_large')}",
        413,
        RESOURCE_EXHAUSTED,
        "The body is larger than any video may be.",
        {},
    ),
    LocalReply(
        "BODY_TOO_LARGE",
        "response.code == 413",
        413,
        RESOURCE_EXHAUSTED,
        "The body is larger than this call takes.",
        {},
    ),
    LocalReply(
        "MALFORMED_BODY",
        f"response.code == 400 && {_details('grpc_json_transcode_failure')}",
        400,
        INVALID_ARGUMENT,
        "%LOCAL_REPLY_BODY%",
        {},
    ),
    LocalReply(
        "HEADERS_TOO_LARGE",
        "response.code == 431",
        431,
        INVALID_ARGUMENT,
        "The headers are larger than 60 KiB or more than 100.",
        {},
    ),
    LocalReply(
        "REQUEST_TIMEOUT",
        "response.code == 408",
        408,
        DEADLINE_EXCEEDED,
        "The request did not arrive in time.",
        {},
    ),
    LocalReply(
        "UPSTREAM_TIMEOUT",
        "response.code == 504",
        504,
        DEADLINE_EXCEEDED,
        "The service did not answer in time.",
        {},
    ),
    LocalReply(
        "OVERLOADED",
        f"response.code == 503 && ({_details('overload')} || {_details('overflow')})",
        503,
        UNAVAILABLE,
        "There is too much to do at the moment; try again soon.",
        _SOON,
    ),
    LocalReply(
        "UPSTREAM_UNAVAILABLE",
        "response.code == 502 || response.code == 503",
        503,
        UNAVAILABLE,
        "The service is away at the moment; try again soon.",
        _SOON,
    ),
    LocalReply(
        "EDGE_FAILURE",
        "response.code >= 500",
        500,
        INTERNAL,
        "The answer could not be delivered.",
        {},
    ),
    LocalReply(
        "MALFORMED_REQUEST",
        "true",
        400,
        INVALID_ARGUMENT,
        "The request is not one that HTTP or this server allows.",
        {},
    ),
)


def mappers() -> list[object]:
    """Build the `mappers` of Envoy's LocalReplyConfig: gRPC callers first, then REST."""
    return [*_grpc_mappers(), *(_rest_mapper(reply) for reply in LOCAL_REPLIES)]


def _rest_mapper(reply: LocalReply) -> object:
    """Answer with google.rpc.Status as JSON, exactly as the transcoder writes a service's."""
    status = {
        "code": reply.code,
        "message": reply.message,
        "details": [{"@type": ERROR_INFO, "reason": reply.reason, "domain": DOMAIN}],
    }
    headers = {"x-content-type-options": "nosniff", **reply.headers}
    return _mapper(reply.when, reply.http_status, headers, {"json_format": status})


def _grpc_mappers() -> Iterator[object]:
    """Answer gRPC callers with a message and the same ErrorInfo as rich status."""
    for reply in LOCAL_REPLIES:
        if "%" in reply.message:
            continue
        rich = base64.b64encode(_rich_status(reply)).decode().rstrip("=")
        yield _mapper(
            f"{FROM_GRPC} && ({reply.when})",
            reply.http_status,
            {"grpc-status-details-bin": rich, **reply.headers},
            {"text_format_source": {"inline_string": reply.message}},
        )


def _mapper(
    when: str, http_status: int, headers: Mapping[str, str], body: Mapping[str, object]
) -> object:
    filters = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3"
    expression = {"@type": f"{filters}.ExpressionFilter", "expression": when}
    return {
        "filter": {"extension_filter": {"name": "cel", "typed_config": expression}},
        "status_code": http_status,
        "headers_to_add": [
            {
                "header": {"key": key, "value": value},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
            for key, value in headers.items()
        ],
        "body_format_override": body,
    }


def _rich_status(reply: LocalReply) -> bytes:
    """Encode google.rpc.Status (field 1 code, 2 message, 3 details) around an ErrorInfo."""
    info = _text(1, reply.reason) + _text(2, DOMAIN)
    detail = _text(1, ERROR_INFO) + _field(2, info)
    return bytes([1 << 3, reply.grpc_code]) + _text(2, reply.message) + _field(3, detail)


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode())


def _field(number: int, value: bytes) -> bytes:
    """Encode a length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
