"""Let every package be imported under its own name in one run over all distributions.

A test in `auth_service/tests/` is called `auth_service.tests.…` after its path. Unless the package
`auth_service` is known by then, pytest takes the directory itself for that package. The conftest
files of the distributions are loaded before any hook runs, so this happens at import.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

for _pyproject in Path(__file__).parent.glob("*/pyproject.toml"):
    if (_pyproject.parent / "src" / _pyproject.parent.name).is_dir():
        import_module(_pyproject.parent.name)
