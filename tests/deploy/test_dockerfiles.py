"""See that the images are made of what the tests run, and run it the same way."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from .tree import ROOT, SERVICES, Instruction, dockerfile, dockerfiles, run, settings, tool

services = pytest.mark.parametrize("service", SERVICES)
images = pytest.mark.parametrize("path", dockerfiles(), ids=str)


def image(service: str) -> list[Instruction]:
    return dockerfile(ROOT / f"{service}_service/Dockerfile")


def last(instructions: list[Instruction], keyword: str) -> tuple[str, ...]:
    return [each.words for each in instructions if each.keyword == keyword][-1]


def pip(instructions: list[Instruction], verb: str) -> list[tuple[str, ...]]:
    """Give the words of each `pip VERB`, from the verb on and up to the next command."""
    found = []
    for words in (each.words for each in instructions if each.keyword == "RUN"):
        for start in (i for i, word in enumerate(words) if words[i - 1 : i + 1] == ("pip", verb)):
            end = words.index("&&", start) if "&&" in words[start:] else len(words)
            found.append(words[start:end])
    return found


def test_there_is_an_image_of_every_service_of_the_edge_and_of_the_tools() -> None:
    expected = {f"{service}_service/Dockerfile" for service in SERVICES}

    assert {str(path) for path in dockerfiles()} == {
        *expected, "deploy/envoy/Dockerfile", "deploy/operations/Dockerfile",
    }  # fmt: skip


@images
def test_the_linter_finds_nothing(path: Path) -> None:
    status, said = run([tool("hadolint"), path])

    assert status == 0, said


def test_the_linter_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /tmp\n", "utf-8")

    status, said = run([tool("hadolint"), tmp_path / "Dockerfile"])

    assert status == 1
    assert "DL3006" in said


@images
def test_every_base_image_has_one_version(path: Path) -> None:
    defaults = [each.words for each in dockerfile(ROOT / path) if each.keyword == "ARG"]
    bases = {
        name: value
        for name, _, value in (words[0].partition("=") for words in defaults)
        if name.endswith("_IMAGE")
    }
    used = {each.words[0] for each in dockerfile(ROOT / path) if each.keyword == "FROM"}

    assert used <= {f"${{{name}}}" for name in bases}
    assert all(re.fullmatch(r"\S+:v?\d+\.\d+\.\d+\S*", base) for base in bases.values()), bases
    assert bases["PYTHON_IMAGE"] == "python:3.11.15-slim-trixie", "one Python in all images"


@images
def test_nothing_runs_as_root(path: Path) -> None:
    (user,) = last(dockerfile(ROOT / path), "USER")

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


@images
def test_what_is_copied_is_there_and_not_ignored(path: Path) -> None:
    kept = re.findall(r"(?m)^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"))
    copies = [each.words for each in dockerfile(ROOT / path) if each.keyword == "COPY"]
    sources = [word for words in copies if "--from" not in words[0] for word in words[:-1]]

    assert sources
    assert all((ROOT / source).exists() for source in sources)
    assert all(any(fnmatch(s, p) or fnmatch(s, f"{p}/*") for p in kept) for s in sources)


@services
def test_an_image_starts_what_the_tests_start(service: str) -> None:
    assert last(image(service), "ENTRYPOINT") == ("python", "-m", f"{service}_service")
    assert (ROOT / f"{service}_service/src/{service}_service/__main__.py").is_file()
    assert last(image(service), "USER") == ("10001:10001",)


@services
def test_an_image_installs_the_lock_by_its_hashes(service: str) -> None:
    _, from_lock, _ = pip(image(service), "install")
    copied = [each.words for each in image(service) if each.keyword == "COPY"]

    assert {"--require-hashes", "--no-deps"} <= set(from_lock)
    assert from_lock[-2:] == ("--requirement", "/requirements.lock")
    assert (f"{service}_service/requirements.lock", "/") in copied


@services
def test_an_image_has_the_three_wheels_of_a_service(service: str) -> None:
    (build,) = pip(image(service), "wheel")
    tools, _, wheels = pip(image(service), "install")

    assert [word for word in build if word.startswith("./")] == [
        "./protos", "./chassis", f"./{service}_service",
    ]  # fmt: skip
    assert {"--no-deps", "--no-build-isolation"} <= set(build)
    assert "--require-hashes" in tools
    assert {"--no-deps", "--no-index"} <= set(wheels)
    assert [word for word in wheels if word.startswith("tonearm")] == [
        "tonearm-protos", "tonearm-chassis", f"tonearm-{service}-service",
    ]  # fmt: skip


def test_the_image_of_the_tools_has_their_two_wheels_and_their_lock() -> None:
    tools = dockerfile(ROOT / "deploy/operations/Dockerfile")
    (build,) = pip(tools, "wheel")
    builders, from_lock, wheels = pip(tools, "install")

    assert [word for word in build if word.startswith("./")] == ["./chassis", "./deploy/operations"]
    assert "--require-hashes" in builders
    assert {"--require-hashes", "--no-deps"} <= set(from_lock)
    assert ("deploy/operations/requirements.lock", "/") in [
        each.words for each in tools if each.keyword == "COPY"
    ]
    assert [word for word in wheels if word.startswith("tonearm")] == [
        "tonearm-chassis", "tonearm-operations",
    ]  # fmt: skip
    assert last(tools, "ENTRYPOINT") == ("python", "-m", "tonearm_operations")
    assert last(tools, "USER") == ("10001:10001",)


@services
def test_an_image_exposes_the_ports_that_the_service_opens(service: str) -> None:
    fields = settings(service).model_fields
    opened = [
        fields[name].default.rpartition(":")[2] for name in ("grpc_address", "metrics_address")
    ]

    assert list(last(image(service), "EXPOSE")) == opened


@services
def test_what_an_image_sets_is_read(service: str) -> None:
    names = {word.partition("=")[0] for word in last(image(service), "ENV")}
    known = {name.upper() for name in settings(service).model_fields}

    # What others read: the shell, Python itself, gRPC.
    assert {name for name in names if not name.startswith(("PATH", "PYTHON", "GRPC_E"))} <= known
