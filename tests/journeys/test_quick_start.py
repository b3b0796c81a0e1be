"""The README's quick start, as written, by a newcomer in a fresh clone."""

# ruff: noqa: S607 - the names are typed as a newcomer types them

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
QUICK_START = re.compile(r"^## Quick start\n(.*?)^## ", re.DOTALL | re.MULTILINE)
# The make that runs the tests must not reach into the newcomer's.
NEWCOMER = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
BLOCK_SECONDS = 600
DOWN_SECONDS = 120


def quick_start() -> list[str]:
    """Read the blocks of shell commands under the heading."""
    section = QUICK_START.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert section is not None
    return SHELL_BLOCK.findall(section[1])


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """Make a fresh clone of what is committed; stop whatever was started in it."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, so there is nothing to clone")
    target = tmp_path / "tonearm"
    command = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(target)]
    subprocess.run(command, check=True, timeout=DOWN_SECONDS)
    yield target
    subprocess.run(["make", "down"], cwd=target, env=NEWCOMER, check=True, timeout=DOWN_SECONDS)


def run(block: str, directory: Path) -> str:
    """Run a block in a shell that stops at the first command that fails."""
    done = subprocess.run(
        ["sh", "-e", "-c", block],
        cwd=directory,
        env=NEWCOMER,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BLOCK_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.timeout(4 * BLOCK_SECONDS)
def test_the_quick_start_works_as_written(clone: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed, and the quick start uses it")
    demo, up, by_hand, down = quick_start()

    shown = run(demo, clone)
    assert "Checked the MP3" in shown
    assert "Subject: Your MP3 is ready" in shown
    shown = run(up, clone)
    assert "With curl" in shown
    assert "With grpcurl" in shown
    shown = run(by_hand, clone)
    assert '"state":"SUCCEEDED"' in shown
    assert (clone / ".tonearm" / "video.mp3").stat().st_size > 100_000
    run(down, clone)
    assert list((clone / ".tonearm" / "stack" / "mailbox").glob("*.eml"))


def test_every_make_target_that_the_readme_names_exists() -> None:
    described = subprocess.run(
        ["make", "help"],
        cwd=ROOT,
        env=NEWCOMER,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    named = set(re.findall(r"`make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))

    assert named
    assert named <= set(re.findall(r"make ([a-z]+)", described))
