"""The four services, and what each is told by its environment."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tonearm_local.blueprint import Group, Part, Serves
from tonearm_local.site import Site

ISSUER = "tonearm"
AUDIENCE = "tonearm"
MAX_VIDEO_BYTES = 10 * 1024**3
DRAIN_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Backing:
    """Where the services find what they stand on."""

    database_url: str
    mongodb_uri: str
    kafka_bootstrap_servers: str
    kafka_assignment: str
    smtp_address: str


def services(site: Site, backing: Backing) -> tuple[Part, ...]:
    """Describe the four services."""
    own = {
        "auth": _auth(site, backing),
        "gateway": _gateway(site, backing),
        "converter": _converter(site, backing),
        "notifier": _notifier(site, backing),
    }
    return tuple(_service(site, name, environment) for name, environment in own.items())


def _service(site: Site, name: str, environment: Mapping[str, str]) -> Part:
    port, metrics_port = site.ports.get(name), site.ports.get(f"{name}-metrics")
    return Part(
        name=name,
        group=Group.SERVICES,
        argv=(sys.executable, "-m", f"{name}_service"),
        environment={
            "GRPC_ADDRESS": f"127.0.0.1:{port}",
            "METRICS_ADDRESS": f"127.0.0.1:{metrics_port}",
            "LOG_LEVEL": "info",
            "DRAIN_SECONDS": str(DRAIN_SECONDS),
            "REFLECTION": "true",
            "TOKEN_ISSUER": ISSUER,
            "TOKEN_AUDIENCE": AUDIENCE,
            **environment,
        },
        ports=(port, metrics_port),
        ready=Serves(port),
        stop_seconds=DRAIN_SECONDS + 5,
    )


def _auth(site: Site, backing: Backing) -> dict[str, str]:
    return {
        "DATABASE_URL": backing.database_url,
        "KEY_ENCRYPTION_SECRET": site.secrets.get("key-encryption"),
    }


def _gateway(site: Site, backing: Backing) -> dict[str, str]:
    return _events(backing) | _keys(site) | {"MAX_VIDEO_BYTES": str(MAX_VIDEO_BYTES)}


def _converter(site: Site, backing: Backing) -> dict[str, str]:
    return _events(backing) | {
        "SCRATCH_DIRECTORY": str(site.directory.scratch),
        # Else gRPC writes a line that is no JSON for every child process.
        "GRPC_ENABLE_FORK_SUPPORT": "0",
    }


def _notifier(site: Site, backing: Backing) -> dict[str, str]:
    return (
        _events(backing)
        | _keys(site)
        | {
            "SMTP_ADDRESS": backing.smtp_address,
            "SMTP_SECURITY": "none",
            # For whoever tries webhooks out: nobody but this machine's own people gets in here.
            "WEBHOOK_INSECURE_HOSTS": "127.0.0.1,localhost",
            "MAIL_FROM": "Tonearm <tonearm@tonearm.example>",
            "PUBLIC_URL": f"http://127.0.0.1:{site.ports.get('edge')}",
        }
    )


def _events(backing: Backing) -> dict[str, str]:
    return {
        "MONGODB_URI": backing.mongodb_uri,
        "KAFKA_BOOTSTRAP_SERVERS": backing.kafka_bootstrap_servers,
        "KAFKA_ASSIGNMENT": backing.kafka_assignment,
    }


def _keys(site: Site) -> dict[str, str]:
    return {"AUTH_ADDRESS": f"127.0.0.1:{site.ports.get('auth')}"}
