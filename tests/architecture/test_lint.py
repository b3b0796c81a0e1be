"""Run what `make lint` runs: style, format, types, import contracts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .tree import CHASSIS, DISTRIBUTIONS, LOCAL, OPERATIONS, ROOT, SERVICES

TOOLS = Path(sys.executable).parent
WITH_MODULES = [CHASSIS, *SERVICES, LOCAL, OPERATIONS]
TYPED = [str(it.directory) for it in DISTRIBUTIONS if not it.directory.startswith("deploy/")]

COMMANDS = [
    ["ruff", "check", "--quiet", "."],
    ["ruff", "format", "--quiet", "--diff", "."],
    ["mypy", "--no-error-summary", "conftest.py", "docs", "tests", "deploy", *TYPED],
    ["lint-imports"],
]

# One import that each contract forbids, and where it stands.
FORBIDDEN = [
    ("independent", "gateway_service/rpc.py", "import auth_service.domain"),
    ("independent", "notifier_service/worker.py", "import tonearm_local.launch"),
    ("independent", "tonearm_operations/shapes.py", "import converter_service.domain"),
    ("independent", "tonearm_operations/settings.py", "import tonearm_local.stack"),
    ("independent", "gateway_service/wire.py", "import tonearm_operations.findings"),
    ("chassis", "tonearm_chassis/clock.py", "import converter_service.domain"),
    ("chassis", "tonearm_chassis/server.py", "from tonearm.auth.v1 import auth_pb2"),
    ("settings", "auth_service/use_cases.py", "import auth_service.settings"),
    ("rooms", "auth_service/domain.py", "import auth_service.ports"),
    ("rooms", "gateway_service/ports.py", "import gateway_service.wire"),
    ("rooms", "notifier_service/rpc.py", "import notifier_service.adapters"),
    ("rooms", "notifier_service/adapters/__init__.py", "import notifier_service.__main__"),
]


def run(command: list[str], directory: Path = ROOT, path: str = "") -> tuple[int, str]:
    """Run a tool of this environment; give its status and all that it said."""
    done = subprocess.run(
        [str(TOOLS / command[0]), *command[1:]],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def source_path(root: Path) -> str:
    """Give a PYTHONPATH that holds the packages below `root`."""
    return os.pathsep.join(str(root / it.directory / "src") for it in WITH_MODULES)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_the_checkout_passes(command: list[str]) -> None:
    status, said = run(command, path=source_path(ROOT) if command[0] == "lint-imports" else "")

    if status != 0:
        pytest.fail(f"{' '.join(command)}\n{said}", pytrace=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and the contracts on their imports, to be broken."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", root)
    for it in WITH_MODULES:
        shutil.copytree(it.source, root / it.directory / "src" / str(it.package))
    return root


@pytest.mark.parametrize(("contract", "module", "line"), FORBIDDEN)
def test_a_forbidden_import_is_seen(copy: Path, contract: str, module: str, line: str) -> None:
    package = next(it for it in WITH_MODULES if it.package == module.partition("/")[0])
    file = copy / package.directory / "src" / module
    if not file.exists():  # a room of several files
        file = file.with_suffix("") / "__init__.py"
    sound = file.read_text("utf-8")
    file.write_text(f"{sound}\n{line}\n", "utf-8")

    status, said = run(
        ["lint-imports", "--no-cache", "--contract", contract], copy, source_path(copy)
    )

    file.write_text(sound, "utf-8")
    assert status == 1, said
    assert "BROKEN" in said
