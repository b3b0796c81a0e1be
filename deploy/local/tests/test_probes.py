"""A part is ready only when it says so itself."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tonearm_local.blueprint import Answers, Routes, Serves
from tonearm_local.ports import is_free
from tonearm_local.probes import obstacle


def test_a_port_that_nobody_listens_on_is_an_obstacle() -> None:
    port = next(port for port in range(30_000, 31_000) if is_free(port))

    assert obstacle(Answers(port)) == f"port {port}: Connection refused"


def test_another_greeting_is_an_obstacle() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as aside:
        aside.submit(_greet, server, b"550 go away\r\n")

        found = obstacle(Answers(server.getsockname()[1], greeting="220"))

    assert found is not None
    assert "550 go away" in found


def _greet(server: socket.socket, greeting: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(greeting)


@pytest.mark.parametrize("status", ["SERVING", "NOT_SERVING"])
def test_a_service_is_ready_when_its_health_is_serving(status: str) -> None:
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        found = obstacle(Serves(port))
    finally:
        server.stop(None).wait()

    assert found == (None if status == "SERVING" else f"port {port}: NOT_SERVING")


class Admin:
    """Answers like Envoy's admin port."""

    def __init__(self) -> None:
        self.state = "LIVE"
        self.health: dict[str, object] = {"eds_health_status": "HEALTHY"}
        self.fetched = 1

    def answer(self, path: str) -> tuple[int, str]:
        """Answer a request for a path."""
        if path == "/ready":
            return (200 if self.state == "LIVE" else 503), self.state
        if path.startswith("/clusters"):
            host = {"health_status": self.health}
            return 200, json.dumps(
                {"cluster_statuses": [{"name": "auth", "host_statuses": [host]}]}
            )
        return 200, f"http.public.jwt_authn.jwks_fetch_success: {self.fetched}\n"


@pytest.fixture
def admin() -> Iterator[tuple[Admin, int]]:
    answers = Admin()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answers.answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield answers, server.server_port
        server.shutdown()
        thread.join()


def test_envoy_is_ready_with_healthy_hosts_and_keys(admin: tuple[Admin, int]) -> None:
    assert obstacle(Routes(admin[1])) is None


def test_envoy_is_not_ready_while_it_initializes(admin: tuple[Admin, int]) -> None:
    admin[0].state = "INITIALIZING"

    assert obstacle(Routes(admin[1])) == "Envoy is initializing"


def test_envoy_is_not_ready_without_a_healthy_host(admin: tuple[Admin, int]) -> None:
    admin[0].health["failed_active_health_check"] = True

    assert obstacle(Routes(admin[1])) == "Envoy sees no healthy host of auth"


def test_envoy_is_not_ready_without_the_keys(admin: tuple[Admin, int]) -> None:
    admin[0].fetched = 0

    assert obstacle(Routes(admin[1])) == "Envoy has not fetched the keys"
