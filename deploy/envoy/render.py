# ruff: noqa: INP001 - a script beside the configuration that it fills in, no package
"""Fill in Envoy's configuration: the same for the local stack and for the container image.

    python render.py LISTEN_ADDRESS=127.0.0.1 LISTEN_PORT=8080 ... > rendered.yaml

Standard library only, so that it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
# Nobody scrapes the local stack: a loopback port of the kernel's choice.
DEFAULTS = {"METRICS_ADDRESS": "127.0.0.1", "METRICS_PORT": "0"}

# google.rpc.Code
CODES = {
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "RESOURCE_EXHAUSTED": 8,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}
# What Envoy tells gRPC callers for an HTTP status, UNKNOWN for the rest; no setting changes it.
GRPC_CODES = {
    400: "INTERNAL",
    401: "UNAUTHENTICATED",
    404: "UNIMPLEMENTED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "UNAVAILABLE",
}
# The transcoder makes a gRPC request of a REST one, but leaves its first path behind.
CALLED_OVER_GRPC = (
    "request.headers['content-type'].startsWith('application/grpc')"
    " && !('x-envoy-original-path' in request.headers)"
)
DOMAIN = "tonearm"
CUT_OFF = "the service is stopping; try again"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
CEL_FILTER = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"


@dataclass(frozen=True, slots=True)
class LocalReply:
    """One reason for which Envoy answers a request itself: an entry of `local_replies.json`.

    `when` is a CEL expression over Envoy's attributes; the first entry whose expression holds is
    given. `code` names the google.rpc.Code that REST callers read. A `message` that quotes Envoy
    (`%LOCAL_REPLY_BODY%`) is one of the transcoder, which only REST callers meet.
    """

    reason: str
    when: str
    http_status: int
    code: str
    message: str
    headers: Mapping[str, str]

    def as_json(self) -> object:
        """Say it as google.rpc.Status in JSON, as the transcoder writes a service's."""
        info = {"@type": ERROR_INFO, "reason": self.reason, "domain": DOMAIN, "metadata": {}}
        return {"code": CODES[self.code], "message": self.message, "details": [info]}

    def as_rich_status(self) -> bytes:
        """Say it as an encoded google.rpc.Status: field 1 code, 2 message, 3 details."""
        code = CODES[GRPC_CODES.get(self.http_status, "UNKNOWN")]
        info = _field(1, self.reason.encode()) + _field(2, DOMAIN.encode())
        detail = _field(1, ERROR_INFO.encode()) + _field(2, info)
        return bytes([1 << 3, code]) + _field(2, self.message.encode()) + _field(3, detail)


def render(template: str, values: Mapping[str, str]) -> str:
    """Replace each `${NAME}` of a template; Envoy's own `%...%` stays as it is.

    Raises `ValueError` that names what is missing and what the template does not know.
    """
    wanted = set(Template(template).get_identifiers())
    missing, unknown = sorted(wanted - values.keys()), sorted(values.keys() - wanted)
    if missing or unknown:
        raise ValueError(
            f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        )
    return Template(template).substitute(values)


def configuration(values: Mapping[str, str]) -> str:
    """Render `envoy.yaml` of this directory with the local replies and the Lua filters in place.

    A value is one YAML scalar, quoted if YAML would misread it. Raises `ValueError` as `render`
    does, and for a value that is empty or longer than a line.
    """
    broken = sorted(name for name, value in values.items() if len(value.splitlines()) != 1)
    if broken:
        raise ValueError(f"empty or more than a line: {', '.join(broken)}")
    replies = [LocalReply(**entry) for entry in json.loads(_read("local_replies.json"))]
    return render(
        _read("envoy.yaml"),
        {
            **DEFAULTS,
            **values,
            # JSON is YAML on a single line.
            "LOCAL_REPLIES": json.dumps(mappers(replies)),
            "STATUS_LUA": json.dumps(_read("status.lua")),
            "CUT_OFF_LUA": json.dumps(_cut_off()),
        },
    )


def _cut_off() -> str:
    reply = LocalReply("UNAVAILABLE", "", 503, "UNAVAILABLE", CUT_OFF, {})
    details = base64.b64encode(reply.as_rich_status()).decode()
    return render(_read("cut_off.lua"), {"MESSAGE": CUT_OFF, "DETAILS": details})


def mappers(replies: Sequence[LocalReply]) -> list[object]:
    """Build the `mappers` of Envoy's LocalReplyConfig: for gRPC callers first, then for REST."""
    over_grpc = [
        _mapper(
            reply,
            f"{CALLED_OVER_GRPC} && ({reply.when})",
            {"grpc-status-details-bin": base64.b64encode(reply.as_rich_status()).decode()},
            {"text_format_source": {"inline_string": reply.message}},
        )
        for reply in replies
        if "%" not in reply.message
    ]
    # The Lua filter does not see what Envoy refuses before it has read the headers.
    nosniff = {"x-content-type-options": "nosniff"}
    over_rest = [
        _mapper(reply, reply.when, nosniff, {"json_format": reply.as_json()}) for reply in replies
    ]
    return over_grpc + over_rest


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the configuration for the NAME=value pairs on the command line."""
    parser = argparse.ArgumentParser(description="Fill in Envoy's configuration.")
    parser.add_argument("pairs", nargs="+", metavar="NAME=value", type=_pair)
    pairs: list[tuple[str, str]] = parser.parse_args(arguments).pairs
    try:
        text = configuration(dict(pairs))
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write(text)


def _mapper(
    reply: LocalReply, when: str, headers: Mapping[str, str], body: Mapping[str, object]
) -> object:
    expression = {"@type": CEL_FILTER, "expression": when}
    return {
        "filter": {"extension_filter": {"name": "cel", "typed_config": expression}},
        "status_code": reply.http_status,
        "headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in {**headers, **reply.headers}.items()
        ],
        "body_format_override": body,
    }


def _field(number: int, value: bytes) -> bytes:
    """Encode a length-delimited protobuf field of less than 16 KiB."""
    low, high = len(value) & 0x7F, len(value) >> 7
    length = [low | 0x80, high] if high else [low]
    return bytes([number << 3 | 2, *length]) + value


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=value")
    return name, value


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
