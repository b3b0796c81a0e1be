"""The documents point at what is there, and the picture shows what its table says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
DRAW_SECONDS = 60


def documents() -> list[Path]:
    """List the documents that git tracks."""
    tracked = subprocess.run(
        ["git", "ls-files", "*.md"],  # noqa: S607 - whichever git is on PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return [ROOT / line for line in tracked.splitlines()]


def test_every_relative_link_leads_somewhere() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip(reason="this is no git checkout, so its documents cannot be listed")
    dead = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents()
        for target in LINK.findall(document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]

    assert documents()
    assert dead == []


def test_the_picture_is_the_one_that_its_table_draws() -> None:
    drawn = subprocess.run(
        [sys.executable, "docs/picture.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DRAW_SECONDS,
        check=True,
    ).stdout

    assert drawn == (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
