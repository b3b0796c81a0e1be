"""A real Envoy in front of fake services, on free ports."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import grpc
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tonearm.auth.v1 import auth_pb2
from tonearm_chassis.testing.ports import free_port

from .fakes import (
    Journal,
    Served,
    register_auth,
    register_gateway,
    register_notifier,
    serve,
)

DEPLOY = Path(__file__).parents[3] / "deploy" / "envoy"
ISSUER = "https://tonearm.test"
AUDIENCE = "tonearm"
MAX_VIDEO_BYTES = 96 * 1024 * 1024
READY_SECONDS = 15.0
LOG_FLUSH_MILLISECONDS = 100
# Production waits longer than a test may. (what the configuration says, what tests run with)
HASTE = (
    ("cache_duration: 60s", "cache_duration: 1s"),
    (
        "common_http_protocol_options:\n                  idle_timeout: 60s",
        "common_http_protocol_options:\n                  idle_timeout: 2s",
    ),
)


@dataclass(slots=True)
class Signer:
    """Signs access tokens as the auth service does."""

    kid: str
    private_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def public_key(self) -> auth_pb2.JsonWebKey:
        """Return the key as the auth service publishes it."""
        key = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(self.private_key.public_key()))
        return auth_pb2.JsonWebKey(
            kty="OKP", crv="Ed25519", x=key["x"], kid=self.kid, use="sig", alg="EdDSA"
        )

    def token(self, *, lives_seconds: int = 600, changes: Mapping[str, str] | None = None) -> str:
        """Sign a token with some claims changed."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "0" * 32,
            "email": "ann@example.org",
            "iat": now,
            "exp": now + lives_seconds,
            "jti": "1" * 32,
            **(changes or {}),
        }
        headers = {"kid": self.kid, "typ": "at+jwt"}
        return jwt.encode(claims, self.private_key, algorithm="EdDSA", headers=headers)


@dataclass(slots=True)
class Edge:
    """A running edge, and what stands behind it."""

    port: int
    admin_port: int
    log_path: Path
    journal: Journal
    signer: Signer
    served: dict[str, Served]

    @property
    def address(self) -> str:
        """Where the edge listens, for gRPC."""
        return f"127.0.0.1:{self.port}"

    def client(self, source: str, *, http2: bool = False) -> httpx.AsyncClient:
        """Make an HTTP client that comes from the given loopback address."""
        transport = httpx.AsyncHTTPTransport(local_address=source, http1=not http2, http2=http2)
        return httpx.AsyncClient(
            base_url=f"http://{self.address}", transport=transport, trust_env=False, timeout=10
        )

    def bearer(self) -> dict[str, str]:
        """Return the header of somebody who is logged in."""
        return {"authorization": f"Bearer {self.signer.token()}"}

    async def admin(self, path: str) -> httpx.Response:
        """Ask Envoy's administration port."""
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{self.admin_port}{path}")

    async def allocated_bytes(self) -> int:
        """Return the heap that Envoy uses now."""
        return int((await self.admin("/memory")).json()["allocated"])

    async def stop(self, name: str) -> None:
        """End a fake service at once."""
        await self.served[name].server.stop(None)

    async def restart(self, name: str) -> None:
        """Start a fake service again where it was."""
        register = REGISTER[name](self.journal)
        self.served[name] = await serve(register, self.served[name].port)


REGISTER: dict[str, Callable[[Journal], Callable[[grpc.aio.Server], None]]] = {
    "auth": register_auth,
    "gateway": register_gateway,
    "notifier": register_notifier,
}


@asynccontextmanager
async def running_edge(directory: Path) -> AsyncIterator[Edge]:
    """Run an edge until the block ends; raise `TimeoutError` if it does not get ready."""
    journal, signer = Journal(), Signer("first")
    journal.keys.append(signer.public_key())
    async with AsyncExitStack() as cleanup:
        served: dict[str, Served] = {}
        for name, register in REGISTER.items():
            served[name] = await serve(register(journal))
            cleanup.push_async_callback(_stop, served, name)
        edge = Edge(free_port(), free_port(), directory / "envoy.log", journal, signer, served)
        configuration = directory / "envoy.yaml"
        configuration.write_text(await hasty_configuration(edge))
        await cleanup.enter_async_context(_envoy(edge, configuration))
        await _ready(edge)
        yield edge


async def _stop(served: dict[str, Served], name: str) -> None:
    await served[name].server.stop(None)


@asynccontextmanager
async def _envoy(edge: Edge, configuration: Path) -> AsyncIterator[None]:
    envoy = Path(sys.executable).parent / "envoy"
    flags = [
        *("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"),
        *("--component-log-level", "http:critical"),
        *("--file-flush-interval-msec", str(LOG_FLUSH_MILLISECONDS)),
    ]
    with edge.log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            envoy, "-c", configuration, *flags, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _ready(edge: Edge) -> None:
    """Wait until a token is accepted, which takes every part of the stack."""
    async with asyncio.timeout(READY_SECONDS), edge.client("127.0.0.1") as client:
        while True:
            try:
                answer = await client.get("/v1/deliveries", headers=edge.bearer())
            except httpx.TransportError:
                answer = httpx.Response(503)
            if answer.status_code == httpx.codes.OK:
                return
            await asyncio.sleep(0.05)


async def rendered(*pairs: str) -> tuple[int, str, str]:
    """Run render.py as an image build does; return its status, its output and its complaints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        DEPLOY / "render.py",
        *pairs,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def pairs(edge: Edge) -> list[str]:
    """List the NAME=value pairs of an edge."""
    return [
        "LISTEN_ADDRESS=127.0.0.1",
        f"LISTEN_PORT={edge.port}",
        f"ADMIN_PORT={edge.admin_port}",
        *(f"{name.upper()}_HOST=127.0.0.1" for name in edge.served),
        *(f"{name.upper()}_PORT={served.port}" for name, served in edge.served.items()),
        f"DESCRIPTORS={resources.files('tonearm') / 'descriptors.binpb'}",
        f"TOKEN_ISSUER={ISSUER}",
        f"TOKEN_AUDIENCE={AUDIENCE}",
        f"MAX_VIDEO_BYTES={MAX_VIDEO_BYTES}",
    ]


async def hasty_configuration(edge: Edge) -> str:
    """Render the production configuration with its longest waits cut short."""
    status, text, complaint = await rendered(*pairs(edge))
    if status != 0:
        raise ValueError(complaint)
    for production, test in HASTE:
        if text.count(production) != 1:
            message = f"the configuration does not say {production!r} once"
            raise ValueError(message)
        text = text.replace(production, test)
    return text
