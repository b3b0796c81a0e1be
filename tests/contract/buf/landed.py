"""Find the state of the contracts that landed last, to compare with."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

CONTRACTS = ["buf.yaml", "protos"]


@dataclass(frozen=True, slots=True)
class Landed:
    """A commit, and how it was chosen."""

    commit: str
    chosen: str


@dataclass(frozen=True, slots=True)
class NothingLanded:
    """Why there is nothing to compare with."""

    reason: str


def find_landed(repository: Path, against: str = "") -> Landed | NothingLanded:
    """Choose what to compare the work tree with.

    `against` if it is given; else origin/main, if that is another commit than HEAD; else the
    commit before HEAD. Raises `ValueError` if `against` names no commit with contracts.
    """
    if _git(repository, "rev-parse", "HEAD") is None:
        return NothingLanded("this is no git checkout")
    if against:
        landed = _with_contracts(repository, against)
        if landed is None:
            message = f"{against} is no commit that has contracts"
            raise ValueError(message)
        return Landed(landed, against)
    for name in ("origin/main", "HEAD^"):
        landed = _with_contracts(repository, name)
        if landed is not None and landed != _git(repository, "rev-parse", "HEAD"):
            return Landed(landed, name)
    if _git(repository, "rev-parse", "--is-shallow-repository") == "true":
        return NothingLanded("this is a shallow clone, which lacks the commit before")
    return NothingLanded("no contract has landed before this commit")


def export(repository: Path, commit: str, directory: Path) -> None:
    """Write the contracts of a commit into `directory`, which is made."""
    archive = subprocess.run(
        ["git", "archive", commit, *CONTRACTS],  # noqa: S607 - git is found by _git before
        cwd=repository,
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")


def _with_contracts(repository: Path, name: str) -> str | None:
    commit = _git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if commit is None or not _git(repository, "ls-tree", "-r", "--name-only", commit, *CONTRACTS):
        return None
    return commit


def _git(repository: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - whichever git is on PATH, if one is
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
