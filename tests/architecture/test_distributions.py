"""See that every distribution could be cut out into a repository of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .tree import CHASSIS, DISTRIBUTIONS, PROTOS, ROOT, SERVICES, Distribution, tracked_files

FILES = ("README.md", "CHANGELOG.md", "pyproject.toml", "requirements.lock")

# Spelled in pieces, so that this file does not carry them.
REGISTRIES = [
    ".".join(name.split())
    for name in (
        "pypi org", "pythonhosted org", "npmjs org", "npmjs com", "deb debian org",
        "maven apache org", "repo1 maven org", "proxy golang org", "static crates io",
        "index crates io",
    )
]  # fmt: skip

every = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda it: it.directory)


def committed() -> list[Path]:
    """List what git keeps, or skip."""
    files = tracked_files()
    if files is None:
        pytest.skip(reason="not a git checkout: nothing says which files are kept")
    return files


def offences(text: str) -> set[str]:
    """Name the addresses of registries and the paths of this machine in a text."""
    found = {host for host in REGISTRIES if host in text}
    places = {str(ROOT), str(Path.home())} - {"/"}
    return found | {place for place in places if re.search(rf"{re.escape(place)}[/\"'\s]", text)}


@every
def test_a_distribution_can_stand_alone(distribution: Distribution) -> None:
    missing = [name for name in FILES if not (distribution.path / name).is_file()]

    assert not missing


@every
def test_a_distribution_says_what_it_is(distribution: Distribution) -> None:
    project = distribution.pyproject()["project"]

    assert project["name"] == "tonearm-" + Path(distribution.directory).name.replace("_", "-")
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "Apache-2.0"
    assert project["description"]


@pytest.mark.parametrize("service", SERVICES, ids=lambda it: it.directory)
def test_a_service_has_an_image(service: Distribution) -> None:
    assert (service.path / "Dockerfile").is_file()


@every
def test_a_distribution_carries_its_types(distribution: Distribution) -> None:
    if distribution is PROTOS:
        pytest.skip(reason="its py.typed is generated with the stubs")

    assert (distribution.source / "py.typed").is_file()


@pytest.mark.parametrize("service", SERVICES, ids=lambda it: it.directory)
def test_services_share_the_contracts_and_the_chassis_alone(service: Distribution) -> None:
    dependencies = service.pyproject()["project"]["dependencies"]

    shared = {re.split(r"[\[<>=;! ]", line)[0] for line in dependencies if "tonearm" in line}

    assert shared <= {"tonearm-protos", "tonearm-chassis"}
    assert not any("tonearm" in line for line in CHASSIS.pyproject()["project"]["dependencies"])


def test_no_generated_stub_is_kept() -> None:
    stubs = [path for path in committed() if re.search(r"_pb2(_grpc)?\.pyi?$", path.name)]

    assert not stubs, "stubs are generated when the tonearm-protos wheel is built"


def test_no_file_names_a_registry_or_this_machine() -> None:
    found = {
        str(path): offences((ROOT / path).read_text("utf-8", errors="ignore"))
        for path in committed()
    }

    assert not {path: names for path, names in found.items() if names}


def test_a_registry_and_a_path_of_this_machine_are_seen() -> None:
    index = f"--index-url https://{REGISTRIES[0]}/simple"

    assert offences(index) == {REGISTRIES[0]}
    assert offences(f"-c {ROOT}/constraints.txt") >= {str(ROOT)}
    assert offences("a sentence") == set()
