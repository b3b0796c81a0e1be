"""See that compose.yaml is sound, closed, and speaks to the services in their own words."""

from __future__ import annotations

import copy
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from .tree import (
    COMPOSE,
    INTERPOLATION,
    ROOT,
    SERVICES,
    documents,
    env_file,
    kafka_version,
    lacking,
    refused,
    run,
    tool,
    version,
)

FILE = COMPOSE / "compose.yaml"
(CONTENT,) = documents(FILE)
CONTAINERS: dict[str, dict[str, Any]] = CONTENT["services"]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

containers = pytest.mark.parametrize("name", CONTAINERS)
services = pytest.mark.parametrize("service", SERVICES)


def readme_secrets() -> set[str]:
    """Name the secrets that the README's commands make."""
    loop = re.search(r"for secret in (.*?); do", (COMPOSE / "README.md").read_text(), re.DOTALL)
    assert loop
    return set(loop[1].replace("\\\n", " ").split())


def filled_in(value: str) -> str:
    """Interpolate a value with .env.example, made-up secrets and a mail server."""
    given = env_file(COMPOSE / ".env.example")
    given |= dict.fromkeys(readme_secrets(), "0123456789abcdef" * 4)
    given |= {"SMTP_ADDRESS": "mail.example.com:587", "MAIL_FROM": "Tonearm <t@example.com>"}
    return INTERPOLATION.sub(
        lambda found: given.get(found["name"]) or (found["rest"] if found["how"] == "-" else ""),
        value,
    )


def literal_secrets(container: dict[str, Any]) -> list[str]:
    """Name the variables of a container that carry a secret in clear."""
    found = []
    for name, value in container.get("environment", {}).items():
        password = re.search(r"://[^/@]*:([^@/]+)@", INTERPOLATION.sub("${}", value))
        secret = value if re.search("SECRET|PASSWORD", name) else password and password[1]
        if secret and secret != "${}" and not INTERPOLATION.fullmatch(secret):
            found.append(name)
    return found


def weaknesses(container: dict[str, Any]) -> set[str]:
    """Name what a container lacks that every container here must have."""
    user = str(container.get("user", "0")).partition(":")[0]
    lacks = {
        "a user that is not root": user in {"0", "root"},
        "a root file system that is read only": container.get("read_only") is not True,
        "cap_drop ALL": container.get("cap_drop") != ["ALL"] or "cap_add" in container,
        "no-new-privileges": "no-new-privileges:true" not in container.get("security_opt", []),
        "a memory limit": "mem_limit" not in container,
        "a limit of processes": "pids_limit" not in container,
        "a health check": "test" not in container.get("healthcheck", {}),
        "a grace period": "stop_grace_period" not in container,
        "a version": not re.search(r":v?\d+\.\d+\.\d+$", container.get("image", "")),
        "privileges taken away": bool(container.get("privileged")),
    }
    return {name for name, so in lacks.items() if so}


def test_the_file_is_as_the_specification_wants_it() -> None:
    status, said = run([tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", FILE])

    assert status == 0, said


def test_what_the_specification_does_not_know_is_seen(tmp_path: Path) -> None:
    broken = copy.deepcopy(CONTENT)
    broken["services"]["mysql"]["healthchek"] = {}
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(broken), "utf-8")

    status, said = run(
        [
            tool("check-jsonschema"),
            "--builtin-schema",
            "vendor.compose-spec",
            tmp_path / "compose.yaml",
        ]
    )

    assert status == 1
    assert "healthchek" in said


def test_compose_itself_takes_the_file(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or run([docker, "compose", "version"])[0] != 0:
        pytest.skip(reason="no `docker compose` on this machine")
    values = [
        f"{name}={filled_in(f'${{{name}}}')}"
        for name in {found["name"] for found in INTERPOLATION.finditer(FILE.read_text("utf-8"))}
    ]
    (tmp_path / "env").write_text("\n".join(values), "utf-8")

    status, said = run(
        [docker, "compose", "--file", FILE, "--env-file", tmp_path / "env", "config", "--quiet"]
    )

    assert (status, said) == (0, "")


@containers
def test_a_container_is_hardened(name: str) -> None:
    assert weaknesses(CONTAINERS[name]) == set()


@pytest.mark.parametrize(
    ("change", "lack"),
    [
        ({"user": "0:0"}, "a user that is not root"),
        ({"read_only": False}, "a root file system that is read only"),
        ({"cap_add": ["NET_ADMIN"]}, "cap_drop ALL"),
        ({"security_opt": []}, "no-new-privileges"),
        ({"healthcheck": {"disable": True}}, "a health check"),
        ({"image": "mysql:latest"}, "a version"),
        ({"image": "mysql"}, "a version"),
        ({"privileged": True}, "privileges taken away"),
    ],
)
def test_a_weak_container_is_seen(change: dict[str, Any], lack: str) -> None:
    assert weaknesses({**CONTAINERS["mysql"], **change}) == {lack}


def test_only_the_edge_publishes_a_port() -> None:
    published = {name: it["ports"] for name, it in CONTAINERS.items() if "ports" in it}

    assert published == {"envoy": ["${TONEARM_BIND:-127.0.0.1}:${TONEARM_PORT:-8080}:8080"]}
    assert not any("network_mode" in it for it in CONTAINERS.values())


def test_only_the_edge_and_the_notifier_reach_out() -> None:
    outward = {name for name, it in CONTENT["networks"].items() if not it.get("internal")}

    reaching = {name for name, it in CONTAINERS.items() if outward.intersection(it["networks"])}

    assert reaching == {"envoy", "notifier-service"}


@containers
def test_what_a_container_names_exists(name: str) -> None:
    container = CONTAINERS[name]
    mounted = {volume.partition(":")[0] for volume in container.get("volumes", [])}

    assert set(container["networks"]) <= CONTENT["networks"].keys()
    for source in mounted:
        assert source in CONTENT["volumes"] or (COMPOSE / source).is_file(), source
    for needed, how in container.get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert set(container["networks"]) & set(CONTAINERS[needed]["networks"]), needed
    if "build" in container:
        assert (
            COMPOSE / container["build"]["context"] / container["build"]["dockerfile"]
        ).is_file()


@services
def test_a_service_starts_with_what_compose_tells_it(service: str) -> None:
    given = CONTAINERS[f"{service}-service"]["environment"]

    assert refused(service, {name: filled_in(value) for name, value in given.items()}) == ""


def test_a_variable_that_no_service_reads_is_seen() -> None:
    assert "GREETING" in refused("converter", {"GREETING": "hello"})


@services
def test_an_image_has_the_version_of_what_is_in_it(service: str) -> None:
    image = CONTAINERS[f"{service}-service"]["image"]

    assert image == f"tonearm/{service}-service:{version(f'{service}_service')}"


def test_the_broker_is_the_one_that_the_tests_run_on() -> None:
    assert CONTAINERS["kafka"]["image"] == f"apache/kafka:{kafka_version()}"


@containers
def test_no_secret_stands_in_the_file(name: str) -> None:
    assert literal_secrets(CONTAINERS[name]) == []


@pytest.mark.parametrize(
    "variable",
    [
        {"MYSQL_PASSWORD": "tonearm"},
        {"DATABASE_URL": "mysql+pymysql://auth:tonearm@mysql/auth"},
        {"MYSQL_PASSWORD": "a${MYSQL_PASSWORD}"},
    ],
)
def test_a_secret_in_clear_is_seen(variable: dict[str, str]) -> None:
    assert literal_secrets({"environment": variable}) == list(variable)


def test_everything_that_is_asked_for_is_in_the_example_or_made_by_the_readme() -> None:
    asked = {found["name"]: found for found in INTERPOLATION.finditer(FILE.read_text("utf-8"))}
    example = env_file(COMPOSE / ".env.example")
    made = readme_secrets()

    assert asked.keys() == example.keys() | made
    assert not made.intersection(example), "a secret has no place in an example"
    assert all(asked[name]["how"] == "?" for name in made), "a secret has no default"


def test_what_holds_secrets_is_not_committed() -> None:
    assert "/.env" in (COMPOSE / ".gitignore").read_text("utf-8").split()


def test_the_edge_and_the_gateway_agree_on_the_largest_video() -> None:
    built_in = CONTAINERS["envoy"]["build"]["args"]

    for name in ("MAX_VIDEO_BYTES", "TOKEN_ISSUER", "TOKEN_AUDIENCE"):
        assert built_in[name] == CONTAINERS["gateway-service"]["environment"][name]
    assert {
        built_in[f"{name}_HOST"] for name in ("AUTH", "GATEWAY", "NOTIFIER")
    } <= CONTAINERS.keys()


@services
def test_a_service_may_drain_before_it_is_killed(service: str) -> None:
    container = CONTAINERS[f"{service}-service"]
    grace = re.fullmatch(r"(\d+)s", container["stop_grace_period"])

    assert grace
    assert int(grace[1]) > int(container["environment"]["DRAIN_SECONDS"])


@pytest.fixture
def serving_as() -> Iterator[Callable[[int], int]]:
    """Serve gRPC health; call it with a status for the port."""
    servers = []

    def serve(status: int) -> int:
        servicer = health.HealthServicer()
        servicer.set("", status)
        server = grpc.server(futures.ThreadPoolExecutor(1))
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        servers.append(server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return port

    yield serve
    for server in servers:
        server.stop(None).wait()


def asked(port: int) -> int:
    """Run the services' health check against a port."""
    check = CONTAINERS["auth-service"]["healthcheck"]["test"]
    assert check[:3] == ["CMD", "python", "-c"]
    assert all(CONTAINERS[f"{it}-service"]["healthcheck"]["test"] == check for it in SERVICES)
    assert check[3].count(":50051") == 1
    script = check[3].replace(":50051", f":{port}")
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False
    ).returncode


def test_the_health_check_passes_for_a_service_that_serves(
    serving_as: Callable[[int], int],
) -> None:
    assert asked(serving_as(SERVING)) == 0


def test_the_health_check_fails_for_a_service_that_drains(serving_as: Callable[[int], int]) -> None:
    assert asked(serving_as(NOT_SERVING)) != 0


def test_the_health_check_fails_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))

        assert asked(unused.getsockname()[1]) != 0


def test_the_broker_takes_its_settings(tmp_path: Path) -> None:
    """Run the set-up program of the image, which ships in Kafka's own jar."""
    libraries = ROOT / ".build/kafka/libs"
    java = shutil.which("java")
    if java is None or not libraries.is_dir():
        lacking("Apache Kafka")
    for name in ("default", "mounted", "final"):
        (tmp_path / name).mkdir()
    for name in ("log4j2.yaml", "tools-log4j2.yaml"):
        shutil.copy(ROOT / "deploy/real/kafka/log4j2.yaml", tmp_path / "default" / name)
    given = {**CONTAINERS["kafka"]["environment"], "KAFKA_LOG_DIRS": str(tmp_path / "data")}

    done = subprocess.run(
        [
            java, "-Xmx128m", "-cp", f"{libraries}/*", "kafka.docker.KafkaDockerWrapper", "setup",
            "--default-configs-dir", tmp_path / "default",
            "--mounted-configs-dir", tmp_path / "mounted",
            "--final-configs-dir", tmp_path / "final",
        ],
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/meta.properties").is_file()
