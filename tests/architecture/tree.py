"""Say which distributions, files and modules the repository has."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MADE = {".build", ".git", ".tonearm", ".venv", "__pycache__", "dist", "node_modules"}


@dataclass(frozen=True, slots=True)
class Distribution:
    """A directory that could be a repository of its own."""

    directory: str
    package: str | None

    @property
    def path(self) -> Path:
        """Where it lies."""
        return ROOT / self.directory

    @property
    def source(self) -> Path:
        """Where its modules lie."""
        return self.path / "src" / str(self.package)

    def pyproject(self) -> dict[str, Any]:
        """Read its pyproject.toml."""
        return tomllib.loads((self.path / "pyproject.toml").read_text(encoding="utf-8"))


PROTOS = Distribution("protos", None)
CHASSIS = Distribution("chassis", "tonearm_chassis")
SERVICES = [
    Distribution(f"{name}_service", f"{name}_service")
    for name in ("auth", "gateway", "converter", "notifier")
]
LOCAL = Distribution("deploy/local", "tonearm_local")
OPERATIONS = Distribution("deploy/operations", "tonearm_operations")
DISTRIBUTIONS = [PROTOS, CHASSIS, *SERVICES, LOCAL, OPERATIONS]


def python_files() -> list[Path]:
    """List every module and script in Python, relative to the root."""
    return sorted(
        path.relative_to(ROOT)
        for path in ROOT.rglob("*.py")
        if not MADE.intersection(path.relative_to(ROOT).parts)
    )


def tracked_files() -> list[Path] | None:
    """List what git keeps, relative to the root; None where there is no git or no repository."""
    git = shutil.which("git")
    if git is None:
        return None
    listing = subprocess.run(
        [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode != 0:
        return None
    return [Path(name) for name in listing.stdout.split("\0") if (ROOT / name).is_file()]
