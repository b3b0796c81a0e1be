"""See that the real servers can be installed, and that they run as their READMEs say."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tonearm_chassis.testing.ports import free_port

from .tree import REAL, ROOT, lacking, run, tool

SCRIPTS = [REAL / "install", REAL / "kafka/run", REAL / "mariadb/run"]
# What the script itself uses, and nothing that it looks for.
TOOLS = [
    "bash", "cat", "cmp", "cut", "dirname", "env", "grep", "head", "mkdir", "rm", "sed", "tail",
    "timeout",
]  # fmt: skip

until_it_answers = retry(
    retry=retry_if_exception_type(pymysql.err.OperationalError),
    stop=stop_after_delay(60),
    wait=wait_fixed(0.2),
    reraise=True,
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.parent.name)
def test_the_linter_finds_nothing(script: Path) -> None:
    status, said = run([tool("shellcheck"), script])

    assert status == 0, said
    assert os.access(script, os.X_OK)


@pytest.fixture
def bare_machine(tmp_path: Path) -> Path:
    """A copy of the script on a machine that has nothing and belongs to somebody else."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in TOOLS:
        (programs / name).symlink_to(str(shutil.which(name)))
    (programs / "id").write_text("#!/bin/sh\necho 1000\n", "utf-8")
    (programs / "id").chmod(0o755)
    shutil.copytree(REAL, tmp_path / "deploy/real")
    return tmp_path


def said_by_install(machine: Path, *parts: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [machine / "deploy/real/install", *parts],
        env={"PATH": str(machine / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, sorted(done.stdout.splitlines())


def test_what_cannot_be_installed_says_why_and_fails_nobody(bare_machine: Path) -> None:
    status, said = said_by_install(bare_machine, "chromium", "kafka", "grpcurl", "kustomize", "x")

    only_root = "not on PATH, and only root may install packages"
    assert status == 0
    assert said == [
        f"real: chromium not installed: {only_root}",
        "real: grpcurl not installed: it is built with Go, which is not on PATH",
        f"real: kafka not installed: {only_root}",
        "real: kustomize not installed: it is built with Go, which is not on PATH",
        "real: x not installed: there is no such part",
    ]


def test_what_fails_says_its_last_words(bare_machine: Path) -> None:
    go = bare_machine / "bin/go"
    go.write_text("#!/bin/sh\necho 'no route to the modules' >&2\nexit 1\n", "utf-8")
    go.chmod(0o755)

    status, said = said_by_install(bare_machine, "grpcurl")

    assert status == 0
    assert said == [
        "real: grpcurl not installed: no route to the modules (.build/real/grpcurl.log)"
    ]


def test_what_is_there_is_left_alone(bare_machine: Path) -> None:
    (bare_machine / "bin/chromium").symlink_to("/bin/false")

    assert said_by_install(bare_machine, "chromium") == (0, ["real: chromium ready"])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """The address of a broker that ran for this test alone."""
    if shutil.which("java") is None or not (ROOT / ".build/kafka/libs").is_dir():
        lacking("Apache Kafka")
    port = free_port()
    with (
        (tmp_path / "kafka.log").open("w") as log,
        subprocess.Popen(
            [REAL / "kafka/run", tmp_path / "kafka", str(port), str(free_port())],
            stdout=log,
            stderr=log,
        ) as server,
    ):
        yield f"127.0.0.1:{port}"
        server.terminate()
        assert server.wait(30) == 128 + signal.SIGTERM, (tmp_path / "kafka.log").read_text()


def test_a_group_reads_what_was_written_to_apache_kafka(broker: str) -> None:
    trial = Path(__file__).parent / "kafka_trial.py"

    done = subprocess.run(
        [sys.executable, trial, broker], capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["50", "50"], done.stderr


@pytest.fixture
def database(tmp_path: Path) -> Iterator[int]:
    """The port of a MariaDB that ran for this test alone."""
    if shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        lacking("MariaDB")
    port = free_port()
    with (
        (tmp_path / "mariadb.log").open("w") as log,
        subprocess.Popen(
            [REAL / "mariadb/run", tmp_path / "mariadb", str(port)],
            stdout=log,
            stderr=log,
            env={**os.environ, "MARIADB_PASSWORD": "made-up"},
        ) as server,
    ):
        yield port
        server.terminate()
        assert server.wait(30) == 0, (tmp_path / "mariadb.log").read_text()


def test_the_account_and_nobody_else_gets_into_mariadb(database: int) -> None:
    @until_it_answers
    def connect() -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
        return pymysql.connect(
            host="127.0.0.1", port=database, user="auth", password="made-up", database="auth"
        )

    connection = connect()

    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE words (word VARCHAR(20))")
        cursor.execute("INSERT INTO words VALUES (%s)", ("tuné 🎵",))
        cursor.execute("SELECT word, VERSION() FROM words")
        assert "MariaDB" in str(cursor.fetchall())
        with pytest.raises(pymysql.err.OperationalError):
            cursor.execute("CREATE DATABASE other")
    for user, password in (("root", ""), ("auth", "wrong"), ("auth", "")):
        with pytest.raises(pymysql.err.OperationalError):
            pymysql.connect(host="127.0.0.1", port=database, user=user, password=password)
