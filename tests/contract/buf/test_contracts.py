"""Check the contracts: style, format, and that no promise of the landed state is broken."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT, Buf, lay_out
from .landed import Landed, NothingLanded, export, find_landed

CONTRACT = Path("protos/tonearm/auth/v1/auth.proto")


def test_the_contracts_keep_the_style(buf: Buf) -> None:
    status, said = buf("lint")

    assert status == 0, said


def test_the_contracts_are_formatted(buf: Buf) -> None:
    status, said = buf("format", "--diff", "--exit-code", "protos")

    assert status == 0, f"run `make format`\n{said}"


def test_breaking_no_promise_of_the_landed_state(buf: Buf, tmp_path: Path) -> None:
    landed = find_landed(ROOT, os.environ.get("AGAINST", ""))
    if isinstance(landed, NothingLanded):
        print(f"Nothing to compare with: {landed.reason}.")  # noqa: T201 - for `make breaking`
        return
    export(ROOT, landed.commit, tmp_path)
    lay_out(tmp_path)

    status, said = buf("breaking", "--against", str(tmp_path))

    print(f"Compared with {landed.chosen} ({landed.commit[:12]}).")  # noqa: T201 - as above
    assert status == 0, said


def test_a_deleted_field_is_seen(buf: Buf, copy: Path) -> None:
    text = (copy / CONTRACT).read_text("utf-8")
    field = next(line for line in text.splitlines() if line.endswith("= 1;"))
    (copy / CONTRACT).write_text(text.replace(f"{field}\n", "", 1), "utf-8")
    lay_out(ROOT)

    status, said = buf("breaking", "--against", str(ROOT), directory=copy)

    assert status != 0
    assert "was deleted" in said


def test_a_field_without_a_sentence_is_seen(buf: Buf, copy: Path) -> None:
    text = (copy / CONTRACT).read_text("utf-8")
    (copy / CONTRACT).write_text(f"{text}\nmessage Silent {{\n  string text = 1;\n}}\n", "utf-8")

    status, said = buf("lint", directory=copy)

    assert status != 0
    assert "COMMENT" in said.upper()


def test_a_crooked_line_is_seen(buf: Buf, copy: Path) -> None:
    text = (copy / CONTRACT).read_text("utf-8")
    (copy / CONTRACT).write_text(text.replace("\nmessage ", "\nmessage   ", 1), "utf-8")

    status, said = buf("format", "--diff", "--exit-code", "protos", directory=copy)

    assert status != 0
    assert "+++" in said


@pytest.fixture
def repository(copy: Path) -> Path:
    """A git repository with one commit of the contracts."""
    git(copy, "init", "--quiet", "--initial-branch=main")
    commit(copy)
    return copy


def git(repository: Path, *arguments: str) -> str:
    """Run git as nobody in particular."""
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments],  # noqa: S607 - whichever git is on PATH
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def commit(repository: Path) -> str:
    """Commit everything; gives the commit's id."""
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "change")
    return git(repository, "rev-parse", "HEAD")


def test_the_first_commit_has_nothing_to_compare_with(repository: Path) -> None:
    assert isinstance(find_landed(repository), NothingLanded)


def test_a_commit_is_compared_with_the_one_before(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    commit(repository)

    assert find_landed(repository) == Landed(first, "HEAD^")


def test_a_branch_is_compared_with_what_landed(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "update-ref", "refs/remotes/origin/main", first)
    commit(repository)
    commit(repository)

    assert find_landed(repository) == Landed(first, "origin/main")


def test_what_has_landed_itself_is_compared_with_the_commit_before(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    second = commit(repository)
    git(repository, "update-ref", "refs/remotes/origin/main", second)

    assert find_landed(repository) == Landed(first, "HEAD^")


def test_the_commit_to_compare_with_can_be_named(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")

    assert find_landed(repository, "HEAD") == Landed(first, "HEAD")
    with pytest.raises(ValueError, match="no commit"):
        find_landed(repository, "nowhere")
