"""See that the locks pin what the distributions declare, once, with hashes, and no addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .tree import DISTRIBUTIONS, LOCAL, PROTOS, ROOT, Distribution

LOCKS = [f"{distribution.directory}/requirements.lock" for distribution in DISTRIBUTIONS]
EVERYTHING = "requirements-dev.lock"
# What `make bench` adds for itself: one of them has to be compiled.
BENCH = "tests/load/requirements.lock"

every = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda it: it.directory)


@dataclass(frozen=True, slots=True)
class Pin:
    """A package in a lock."""

    requirement: Requirement
    hashes: int

    @property
    def name(self) -> str:
        """The package's name in its one spelling."""
        return canonicalize_name(self.requirement.name)


def pins(text: str) -> list[Pin]:
    """Read a lock: requirements, each followed by its hashes on continued lines."""
    entries = re.sub(r"\\\n", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [
        Pin(Requirement(entry.partition("--hash")[0]), entry.count("--hash=sha256:"))
        for entry in entries
        if entry.strip()
    ]


def versions(lock: str) -> dict[str, str]:
    """Read which version of each package a lock pins."""
    return {
        pin.name: str(pin.requirement.specifier) for pin in pins((ROOT / lock).read_text("utf-8"))
    }


def unmet(requirements: list[str], pinned: dict[str, str]) -> list[str]:
    """List the third-party requirements that the pins do not satisfy."""
    return [
        str(requirement)
        for requirement in map(Requirement, requirements)
        if not requirement.name.startswith("tonearm-") and not _is_met(requirement, pinned)
    ]


def _is_met(requirement: Requirement, pinned: dict[str, str]) -> bool:
    version = pinned.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(
        version.removeprefix("=="), prereleases=True
    )


def declared(distribution: Distribution) -> list[str]:
    """List what a distribution asks for, its extras included."""
    project = distribution.pyproject()["project"]
    extras = project.get("optional-dependencies", {}).values()
    return [*project.get("dependencies", []), *(line for extra in extras for line in extra)]


@every
def test_what_a_distribution_declares_is_pinned(distribution: Distribution) -> None:
    pinned = versions(f"{distribution.directory}/requirements.lock")

    assert not unmet(declared(distribution), pinned), "run `make lock`"


def test_the_embedded_stack_has_all_that_the_parts_declare() -> None:
    pinned = versions(f"{LOCAL.directory}/requirements.lock")

    assert not unmet([line for it in DISTRIBUTIONS for line in declared(it)], pinned)


@every
def test_what_builds_a_distribution_is_pinned(distribution: Distribution) -> None:
    wanted = distribution.pyproject()["build-system"]["requires"]

    for lock in (f"{PROTOS.directory}/requirements.lock", f"{LOCAL.directory}/requirements.lock"):
        assert not unmet(wanted, versions(lock)), f"{lock}: see requirements-build.in"


@pytest.mark.parametrize("lock", [*LOCKS, EVERYTHING, BENCH])
def test_a_lock_pins_one_version_of_each_package_by_its_hashes(lock: str) -> None:
    entries = pins((ROOT / lock).read_text("utf-8"))

    assert entries
    assert [pin.name for pin in entries] == sorted({pin.name for pin in entries})
    assert all(str(pin.requirement.specifier).startswith("==") for pin in entries)
    assert all(pin.hashes for pin in entries)
    assert not any(pin.name.startswith("tonearm-") for pin in entries)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_package_has_one_version_in_the_whole_repository(lock: str) -> None:
    everything = versions(EVERYTHING)

    assert versions(lock).items() <= everything.items()


def test_what_is_benchmarked_runs_with_the_packages_that_all_tests_have() -> None:
    everything, bench = versions(EVERYTHING), versions(BENCH)

    shared = everything.keys() & bench.keys()

    assert shared
    assert {name: bench[name] for name in shared} == {name: everything[name] for name in shared}


@pytest.mark.parametrize("lock", [*LOCKS, EVERYTHING, BENCH])
def test_a_lock_names_no_address_and_no_path(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")

    assert not re.findall(r"://|\bfile:|--index-url|--find-links|(?<=\s)/\S+", text)


def test_a_missing_and_an_outdated_pin_are_seen() -> None:
    pinned = {pin.name: str(pin.requirement.specifier) for pin in pins("a==1.0 \\\n --hash=x\n")}

    assert unmet(["a>=1", "a>=2", "b", "tonearm-chassis"], pinned) == ["a>=2", "b"]


def test_hashes_are_counted(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("# made\na==1 ; python_version > '3' \\\n    --hash=sha256:00\nb==2\n")

    assert [(pin.name, pin.hashes) for pin in pins(lock.read_text())] == [("a", 1), ("b", 0)]
