"""Let every package be imported under its own name in one run over all distributions.

A test in `auth_service/tests/` is called `auth_service.tests.…` after its path. Unless the package
`auth_service` is known by then, pytest takes the directory itself for that package.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent


def pytest_configure() -> None:
    """Import the packages whose distribution lies in a directory of the same name."""
    for pyproject in ROOT.glob("*/pyproject.toml"):
        name = pyproject.parent.name
        if (pyproject.parent / "src" / name).is_dir():
            import_module(name)
