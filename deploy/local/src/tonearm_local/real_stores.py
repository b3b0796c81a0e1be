"""The real servers, where the machine has them: each alone, or a reason why not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tonearm_local import checkout
from tonearm_local.blueprint import Answers, Group, Part
from tonearm_local.site import Site
from tonearm_local.stores import Store

SYSTEM_PATH = os.pathsep.join(["/usr/sbin", "/usr/local/sbin"])
"""Where Debian keeps servers, and only root's PATH leads."""


class NotHere(Exception):
    """A real server that this machine does not have."""


def mariadb(site: Site) -> Store:
    """Keep accounts in MariaDB; raises `NotHere` without its programs."""
    for program in ("mariadbd", "mariadb-install-db"):
        _program(program)
    port = site.ports.get("mariadb")
    password = site.secrets.get("mariadb")
    part = Part(
        name="mariadb",
        group=Group.STORES,
        argv=(str(checkout.REAL_MARIADB), str(site.directory.root / "mariadb"), str(port)),
        environment={"MARIADB_PASSWORD": password},
        ports=(port,),
        ready=Answers(port, greeting="mysql_native_password"),
        stop_seconds=20,
    )
    return Store(f"mysql+pymysql://auth:{password}@127.0.0.1:{port}/auth", part)


def kafka(site: Site) -> Store:
    """Carry events over Apache Kafka; raises `NotHere` without Java or Kafka's libraries."""
    _program("java")
    home = Path(os.environ.get("KAFKA_HOME") or checkout.BUILT_KAFKA)
    if not list(home.glob("libs/kafka_*.jar")):
        raise NotHere(f"{home}/libs holds no Kafka; set KAFKA_HOME")
    port, controller_port = site.ports.get("kafka"), site.ports.get("kafka-controller")
    directory = site.directory.root / "kafka"
    part = Part(
        name="kafka",
        group=Group.STORES,
        argv=(str(checkout.REAL_KAFKA), str(directory), str(port), str(controller_port)),
        environment={"KAFKA_HOME": str(home)},
        ports=(port, controller_port),
        ready=Answers(port),
        stop_seconds=20,
    )
    return Store(f"127.0.0.1:{port}", part)


def mongod(site: Site) -> Store:
    """Keep documents and files in MongoDB; raises `NotHere` without its program."""
    program = _program("mongod")
    port = site.ports.get("mongodb")
    data = site.directory.root / "mongod"
    data.mkdir(exist_ok=True)
    argv = (
        *(program, "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(port)),
        *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"),
    )
    part = Part("mongodb", Group.STORES, argv, (port,), Answers(port), stop_seconds=20)
    return Store(f"mongodb://127.0.0.1:{port}/?directConnection=true", part)


def _program(name: str) -> str:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), SYSTEM_PATH])
    found = shutil.which(name, path=path)
    if found is None:
        raise NotHere(f"there is no {name} on this machine")
    return found
