"""Read a service's settings from the environment, once, with all problems reported at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state
MAX_PORT = 65535


def _host_and_port(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) <= MAX_PORT):
        raise ValueError("must be HOST:PORT")
    return text


Address = Annotated[str, AfterValidator(_host_and_port)]
"""A network address, "host:port"."""


class ServiceSettings(BaseSettings):
    """What every service is told by its environment; services add their own fields."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    grpc_address: Address = Field("0.0.0.0:50051", description="where gRPC is served")
    metrics_address: Address = Field(
        "0.0.0.0:9464", description="where Prometheus metrics are served"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least severe log line that is written"
    )
    drain_seconds: float = Field(
        10.0, ge=0, description="how long running calls may go on after SIGTERM"
    )
    reflection: bool = Field(default=True, description="whether gRPC reflection is on")
    failpoints_directory: Path | None = Field(
        None, description="where tests say at which points to fail on purpose; default: nowhere"
    )


class TracingSettings(BaseSettings):
    """Where spans go; the variable, and its meaning, are OpenTelemetry's."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    otel_exporter_otlp_endpoint: str = Field(
        "", description="OTLP over HTTP, http://host:4318; empty: spans are not exported"
    )


S = TypeVar("S", bound=BaseSettings)


def load_settings(read: Callable[[], S]) -> S:
    """Read the environment with a class of settings.

    Names every problem on stderr and exits with status 78 if it cannot.
    """
    try:
        return read()
    except ValidationError as error:
        lines = problems(error)
    except SettingsError as error:  # a list or an object that is not JSON; the text names it
        lines = [str(error)]
    for line in lines:
        print(line, file=sys.stderr)  # noqa: T201 - logs are not configured yet
    raise SystemExit(EX_CONFIG)


def problems(error: ValidationError) -> list[str]:
    """Put each problem into a line, "VARIABLE: what is wrong", without the offending value."""
    return [
        f"{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
