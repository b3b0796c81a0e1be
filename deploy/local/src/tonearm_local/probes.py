"""Ask a part whether it is ready: never raises, never takes longer than about a second."""

from __future__ import annotations

import socket
from typing import Any, assert_never

import grpc
import httpx
from grpc_health.v1 import health_pb2

from tonearm_local.blueprint import Answers, Readiness, Routes, Serves

SECONDS = 1.0


def obstacle(readiness: Readiness) -> str | None:
    """Say what keeps a part from being ready, or None if nothing does."""
    match readiness:
        case Answers(port=port, greeting=greeting):
            return _answers(port, greeting.encode())
        case Serves(port=port):
            return _serves(port)
        case Routes(admin_port=admin_port):
            return _routes(admin_port)
        case _:
            assert_never(readiness)


def _answers(port: int, greeting: bytes) -> str | None:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
            said = connection.recv(128) if greeting else b""
    except OSError as error:
        return f"port {port}: {error.strerror or error}"
    return None if greeting in said else f"port {port}: greets with {said[:40]!r}"


def _serves(port: int) -> str | None:
    # A channel would wait ever longer between attempts; a fresh one each time is asked at once.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        check: grpc.UnaryUnaryMultiCallable[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ] = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        except grpc.RpcError as error:
            return f"port {port}: {getattr(error, 'details', error.__str__)()}"
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return None
    return f"port {port}: {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}"


def _routes(admin_port: int) -> str | None:
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{admin_port}", timeout=SECONDS, trust_env=False
        ) as admin:
            ready = admin.get("/ready")
            if ready.status_code != httpx.codes.OK:
                return f"Envoy is {ready.text.strip().lower()}"
            return _unhealthy(admin) or _without_keys(admin)
    except httpx.HTTPError as error:
        return f"port {admin_port}: {error}"


def _unhealthy(admin: httpx.Client) -> str | None:
    clusters: list[dict[str, Any]] = admin.get("/clusters?format=json").json()["cluster_statuses"]
    for cluster in clusters:
        hosts: list[dict[str, Any]] = cluster.get("host_statuses", [])
        if not any(_is_healthy(host["health_status"]) for host in hosts):
            return f"Envoy sees no healthy host of {cluster['name']}"
    return None


def _is_healthy(status: dict[str, Any]) -> bool:
    failures = {name for name, value in status.items() if value is True}
    return status.get("eds_health_status") == "HEALTHY" and not failures


def _without_keys(admin: httpx.Client) -> str | None:
    stats = admin.get("/stats?filter=jwks_fetch_success").text
    counts = [line.rsplit(":", 1)[1].strip() for line in stats.splitlines() if ":" in line]
    return None if any(count != "0" for count in counts) else "Envoy has not fetched the keys"
