"""The commands say what they should, and end with the status they should."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from stand_ins import recipe

from tonearm_local.__main__ import INTERRUPTS, main
from tonearm_local.stack import Stack


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Put back the signal handlers that every command sets."""
    before = {number: signal.getsignal(number) for number in INTERRUPTS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Keep a stack for the tests that only look at it."""
    with Stack(tmp_path_factory.mktemp("looked-at"), recipe=recipe(one="good")) as stack:
        yield stack


def run(*arguments: str, directory: Path) -> tuple[int, str]:
    """Run a command; return its exit status and what it said."""
    result = CliRunner().invoke(main, [*arguments, "--directory", str(directory)])
    return result.exit_code, result.output


def with_addresses(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the environment of a stack; in a process of its own, for it is replaced."""
    local = [sys.executable, "-m", "tonearm_local", "with", "--directory", str(directory)]
    return subprocess.run([*local, *command], capture_output=True, text=True, check=False)


def test_status_of_a_healthy_stack_is_0_and_names_every_part(running: Stack) -> None:
    status, output = run("status", directory=running.directory.root)

    assert status == 0
    assert output.splitlines()[1].split()[:2] == ["one", "ready"]
    assert f"127.0.0.1:{running.port_of('one')}" in output


def test_status_of_what_never_ran_is_3(tmp_path: Path) -> None:
    status, output = run("status", directory=tmp_path)

    assert status == 3
    assert "Nothing was started" in output


def test_logs_show_what_a_part_said(running: Stack) -> None:
    status, output = run("logs", "one", directory=running.directory.root)

    assert status == 0
    assert "a stand-in that is good" in output


def test_logs_of_an_unknown_part_name_those_there_are(running: Stack) -> None:
    status, output = run("logs", "two", directory=running.directory.root)

    assert status == 2
    assert "there are one, supervisor" in output


def test_a_command_finds_the_addresses_of_the_stack_in_its_environment(running: Stack) -> None:
    code = "import os, sys; print(os.environ['PUBLIC_URL'], *sys.argv[1:])"
    said = with_addresses(running.directory.root, sys.executable, "-c", code, "--json", "-x")

    assert said.stdout == f"{running.url} --json -x\n", said.stderr
    assert said.returncode == 0


def test_a_command_ends_with_its_own_status(running: Stack) -> None:
    said = with_addresses(running.directory.root, sys.executable, "-c", "raise SystemExit(42)")

    assert said.returncode == 42


def test_without_a_stack_no_command_is_run(tmp_path: Path) -> None:
    said = with_addresses(tmp_path, sys.executable, "-c", "print('it ran')")

    assert said.returncode == 1
    assert said.stdout == ""
    assert "make up" in said.stderr


def test_down_where_nothing_runs_says_so(tmp_path: Path) -> None:
    assert run("down", directory=tmp_path) == (0, "Nothing runs here.\n")
