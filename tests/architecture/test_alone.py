"""Install each service's wheel, and the tools', alone in an empty environment; start it there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tonearm_chassis.testing.ports import free_port

from .tree import CHASSIS, OPERATIONS, PROTOS, ROOT, SERVICES, Distribution

EX_UNAVAILABLE = 69
EX_CONFIG = 78
START_SECONDS = 60
STOP_SECONDS = 20

# Nobody listens on port 1: a service starts whether or not the others are there.
NOBODY = "127.0.0.1:1"
MONGODB = f"mongodb://{NOBODY}/?serverSelectionTimeoutMS=500"
NEEDED = {
    "auth_service": {
        "DATABASE_URL": f"mysql+pymysql://auth:secret@{NOBODY}/auth",
        "KEY_ENCRYPTION_SECRET": "correct horse battery staple 0123456789",
    },
    "gateway_service": {
        "MONGODB_URI": MONGODB,
        "KAFKA_BOOTSTRAP_SERVERS": NOBODY,
        "AUTH_ADDRESS": NOBODY,
    },
    "converter_service": {"MONGODB_URI": MONGODB, "KAFKA_BOOTSTRAP_SERVERS": NOBODY},
    "notifier_service": {
        "MONGODB_URI": MONGODB,
        "KAFKA_BOOTSTRAP_SERVERS": NOBODY,
        "SMTP_ADDRESS": NOBODY,
        "MAIL_FROM": "tonearm@example.org",
        "PUBLIC_URL": f"http://{NOBODY}",
        "AUTH_ADDRESS": NOBODY,
    },
}

ALONE = [*SERVICES, OPERATIONS]

services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.directory)
everything = pytest.mark.parametrize("alone", ALONE, ids=lambda it: it.directory)
pytestmark = pytest.mark.timeout(600)  # the first test pays for the five environments


def run(command: list[str], directory: Path = ROOT) -> str:
    """Run a command; what it said is the message if it fails."""
    done = subprocess.run(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}", pytrace=False)
    return done.stdout


def pip(python: Path, *arguments: str) -> str:
    """Run the pip of this environment upon another one."""
    return run([sys.executable, "-m", "pip", "--python", str(python), *arguments])


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheels of the contracts, the chassis, the services and the tools."""
    directory = tmp_path_factory.mktemp("wheels")
    for it in (PROTOS, CHASSIS, *ALONE):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
        run(command, it.path)
    return directory


@pytest.fixture(scope="session")
def pythons(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The interpreters of five environments, each with one of them and what its lock names."""
    root = tmp_path_factory.mktemp("alone")

    def install(alone: Distribution) -> tuple[str, Path]:
        environment = root / alone.directory
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
        python = environment / "bin/python"
        how = ["install", "--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check"]
        pip(python, *how, "--require-hashes", "-r", f"{alone.directory}/requirements.lock")
        distributions = ("protos", "chassis", Path(alone.directory).name)
        names = [f"tonearm-{name.replace('_', '-')}" for name in distributions]
        pip(python, *how, "--no-index", "--find-links", str(wheels), *names)
        return alone.directory, python

    with ThreadPoolExecutor(2) as pool:
        return dict(pool.map(install, ALONE))


def free_address() -> str:
    """Find an address on which nobody listens."""
    return f"127.0.0.1:{free_port()}"


def ask_health(address: str) -> health_pb2.HealthCheckResponse:
    """Ask a server for its health, and wait until it answers; raises `grpc.RpcError`."""
    with grpc.insecure_channel(address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        return check(health_pb2.HealthCheckRequest(), timeout=START_SECONDS, wait_for_ready=True)


@contextmanager
def started(
    python: Path, service: Distribution, environment: dict[str, str], directory: Path
) -> Iterator[subprocess.Popen[str]]:
    """Run a service with this environment and no other; kill it if it outlives the block."""
    with subprocess.Popen(
        [python, "-m", str(service.package)],
        cwd=directory,
        env={"PATH": os.defpath, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@everything
def test_the_lock_holds_all_that_the_wheels_ask_for(
    alone: Distribution, pythons: dict[str, Path]
) -> None:
    said = pip(pythons[alone.directory], "check")

    assert "No broken requirements found" in said


@services
def test_a_service_without_settings_names_them_all_and_ends(
    service: Distribution, pythons: dict[str, Path], tmp_path: Path
) -> None:
    with started(pythons[service.directory], service, {}, tmp_path) as process:
        said, _ = process.communicate(timeout=START_SECONDS)

    assert process.returncode == EX_CONFIG, said
    assert {line.partition(":")[0] for line in said.splitlines()} == set(NEEDED[service.directory])


@services
def test_a_service_alone_answers_its_health_and_ends_when_told(
    service: Distribution, pythons: dict[str, Path], tmp_path: Path
) -> None:
    address = free_address()
    environment = {
        **NEEDED[service.directory],
        "GRPC_ADDRESS": address,
        "METRICS_ADDRESS": free_address(),
        "DRAIN_SECONDS": "1",
    }

    with started(pythons[service.directory], service, environment, tmp_path) as process:
        try:
            health = ask_health(address)
        except grpc.RpcError:
            process.kill()
            pytest.fail(f"no answer in {START_SECONDS} s\n{process.communicate()[0]}")
        process.terminate()
        said, _ = process.communicate(timeout=STOP_SECONDS)

    answers = health_pb2.HealthCheckResponse
    assert health.status in {answers.SERVING, answers.NOT_SERVING}
    assert process.returncode == 0, said


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [
        (["audit"], "MONGODB_URI", MONGODB),
        (["dead-letters", "list"], "KAFKA_BOOTSTRAP_SERVERS", NOBODY),
    ],
    ids=["audit", "dead-letters"],
)
def test_the_tools_alone_say_what_they_need_and_what_is_away(
    command: list[str], variable: str, value: str, pythons: dict[str, Path], tmp_path: Path
) -> None:
    said = []
    for environment in ({}, {variable: value}):
        done = subprocess.run(
            [pythons[OPERATIONS.directory], "-m", str(OPERATIONS.package), *command],
            cwd=tmp_path,
            env={"PATH": os.defpath, **environment},
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        said.append((done.returncode, done.stderr.partition(":")[0]))

    assert said == [(EX_CONFIG, variable), (EX_UNAVAILABLE, "Failed")]


def test_the_converter_alone_examines_its_machine(pythons: dict[str, Path], tmp_path: Path) -> None:
    done = subprocess.run(
        [pythons["converter_service"], "-m", "converter_service", "doctor"],
        cwd=tmp_path,
        env={"PATH": os.defpath, "SCRATCH_DIRECTORY": str(tmp_path / "scratch")},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )

    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("DOCTOR ")
