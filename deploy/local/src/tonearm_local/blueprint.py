"""What a stack is made of, as plain values that outlive the process that wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from tonearm_local.private import write_private


class Group(StrEnum):
    """Parts that start and stop together."""

    STORES = "stores"
    EDGE = "edge"
    SERVICES = "services"


STARTING_ORDER = (Group.STORES, Group.EDGE, Group.SERVICES)
"""Stopped in reverse: services end their running calls while the edge still carries them."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Ready when the port accepts a connection and, if asked for, greets with these characters."""

    port: int
    greeting: str = ""
    kind: Literal["answers"] = "answers"


@dataclass(frozen=True, slots=True)
class Serves:
    """Ready when the gRPC health service on the port says SERVING."""

    port: int
    kind: Literal["serves"] = "serves"


@dataclass(frozen=True, slots=True)
class Routes:
    """Ready when Envoy is live, sees a healthy host of every cluster and has the keys."""

    admin_port: int
    kind: Literal["routes"] = "routes"


Readiness = Annotated[Answers | Serves | Routes, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Part:
    """A program of the stack; `ports` begins with the one that others talk to.

    Whatever dies is started again: at first at once, and ever later if it dies within
    `settle_seconds` of its start, until it is given up. With 0 it is started at once for ever.
    """

    name: str
    group: Group
    argv: tuple[str, ...]
    ports: tuple[int, ...]
    ready: Readiness
    environment: Mapping[str, str] = Field(default_factory=dict)
    stop_seconds: int = 10
    settle_seconds: int = 1


@dataclass(frozen=True, slots=True)
class Addresses:
    """How the stack is reached; empty where a stack lacks the part."""

    url: str = ""
    admin_url: str = ""
    database_url: str = ""
    mongodb_uri: str = ""
    kafka_bootstrap_servers: str = ""
    smtp_address: str = ""


def environment(addresses: Addresses) -> dict[str, str]:
    """Write the addresses as the variables that every program of Tonearm reads."""
    variables = {
        "DATABASE_URL": addresses.database_url,
        "MONGODB_URI": addresses.mongodb_uri,
        "KAFKA_BOOTSTRAP_SERVERS": addresses.kafka_bootstrap_servers,
        "SMTP_ADDRESS": addresses.smtp_address,
        "PUBLIC_URL": addresses.url,
    }
    return {name: value for name, value in variables.items() if value}


@dataclass(frozen=True, slots=True)
class Control:
    """How the supervisor is reached."""

    port: int
    password: str


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A whole stack: its parts, how it is reached, and what its owner should be told."""

    parts: tuple[Part, ...]
    control: Control
    addresses: Addresses = Field(default_factory=Addresses)
    notices: tuple[str, ...] = ()

    def part(self, name: str) -> Part:
        """Find a part by its name; raises `KeyError` that names those there are."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(f"no part {name!r}; there are {', '.join(p.name for p in self.parts)}")

    def all_ports(self) -> Iterator[int]:
        """Walk over every port that must be the stack's own."""
        yield self.control.port
        for part in self.parts:
            yield from part.ports


_ADAPTER = TypeAdapter(Blueprint)


def save(blueprint: Blueprint, path: Path) -> None:
    """Keep a blueprint, secrets and all, in a file that only its owner can read."""
    write_private(path, _ADAPTER.dump_json(blueprint, indent=1).decode())


def load(path: Path) -> Blueprint | None:
    """Read a blueprint back; None if there is none, or none that this version understands."""
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
