"""Run buf offline, with the google/api sources of the googleapis-common-protos wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.api import http_pb2
from google.rpc import status_pb2

ROOT = Path(__file__).parents[3]
Buf = Callable[..., tuple[int, str]]


def lay_out(directory: Path) -> None:
    """Put the sources of `google.api` and `google.rpc` where buf.yaml expects them."""
    for module in (http_pb2, status_pb2):
        package = Path(module.__file__).parent
        for source in package.rglob("*.proto"):
            copy = directory / ".build/googleapis/google" / source.relative_to(package.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)


@pytest.fixture(scope="session")
def buf() -> Buf:
    """Run buf in a directory that has a buf.yaml; gives its status and all that it said."""

    def run(*arguments: str, directory: Path = ROOT) -> tuple[int, str]:
        lay_out(directory)
        done = subprocess.run(
            [str(Path(sys.executable).with_name("buf")), *arguments],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The contracts in a place where they may be changed."""
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    shutil.copytree(
        ROOT / "protos",
        tmp_path / "protos",
        ignore=lambda _, names: {
            name for name in names if "." in name and not name.endswith(".proto")
        },
    )
    return tmp_path
