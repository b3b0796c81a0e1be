"""See that a reader who knows one service knows all four."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from .tree import SERVICES, Distribution

ROOMS = {
    "__main__": "the composition root",
    "settings": "the only reader of the environment",
    "domain": "entities, values, states, refusals",
    "ports": "the Protocols that use cases need",
    "use_cases": "one function or small class per verb of the product",
    "wire": "protobuf to domain and back",
    "rpc": "the servicers and the table of statuses",
    "adapters": "one file per outside thing",
}
# Where a service has them: what consumes events, the names of its metrics, schema migrations,
# what the notifier's mails say, and the converter's library that makes audio.
FURTHER_ROOMS = {"worker", "metrics", "migrations", "letter", "engine"}

services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.directory)


def rooms(package: Path) -> set[str]:
    """List the rooms of a package: its modules, and its directories with modules in them."""
    modules = {path.stem for path in package.glob("*.py")}
    packages = {path.parent.name for path in package.glob("*/__init__.py")}
    return (modules | packages) - {"__init__"}


def foreign_imports(package: str, text: str) -> set[str]:
    """List what a domain module imports beside the standard library and the domain itself."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add("." * node.level + (node.module or ""))
    return {
        name
        for name in imported
        if name.partition(".")[0] not in sys.stdlib_module_names
        and f"{name}.".removeprefix(f"{package}.domain.") == f"{name}."
    }


@services
def test_a_service_has_every_room(service: Distribution) -> None:
    missing = ROOMS.keys() - rooms(service.source)

    assert not missing, {f"{service.package}/{room}": ROOMS[room] for room in missing}


@services
def test_a_service_has_no_room_of_its_own_kind(service: Distribution) -> None:
    unknown = rooms(service.source) - ROOMS.keys() - FURTHER_ROOMS

    assert not unknown, (
        f"{service.package} has {sorted(unknown)}; a room that has outgrown its file becomes a "
        "directory of the same name, split by the product's verbs"
    )


@services
def test_a_domain_knows_nothing_but_the_standard_library(service: Distribution) -> None:
    files = [*service.source.glob("domain.py"), *service.source.glob("domain/**/*.py")]

    foreign = {
        (file.name, name)
        for file in files
        for name in foreign_imports(str(service.package), file.read_text("utf-8"))
    }

    assert files
    assert not foreign, "put what needs this behind a port"


def test_a_foreign_import_is_seen() -> None:
    text = """
import enum, pydantic
from dataclasses import dataclass
from auth_service.domain.keys import Key
from auth_service.domain_events import Event
from . import ports
"""

    assert foreign_imports("auth_service", text) == {"pydantic", "auth_service.domain_events", "."}


def test_missing_and_unknown_rooms_are_seen(tmp_path: Path) -> None:
    for name in ("__init__.py", "domain.py", "toolbox.py"):
        (tmp_path / name).touch()
    (tmp_path / "page").mkdir()

    assert rooms(tmp_path) == {"domain", "toolbox"}
