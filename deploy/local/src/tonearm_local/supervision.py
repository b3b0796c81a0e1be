"""Run the parts under supervisord, and talk to it.

supervisord restarts what dies, rotates the logs and stops everything in order. It listens on a
loopback port with a password of its own: the path of a Unix socket may have no more than 107 bytes,
which a deep checkout exceeds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xmlrpc.client
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast

from tonearm_local import launch
from tonearm_local.blueprint import STARTING_ORDER, Blueprint, Control, Part
from tonearm_local.leftovers import MARK
from tonearm_local.private import write_private
from tonearm_local.site import Directory

USER = "tonearm"
CONFIGURATION, PYTHON, LAUNCH = (
    Path("run", name) for name in ("supervisord.conf", "python", "launch.py")
)
"""As supervisord sees them from the data directory, which is where it runs."""
INHERITED = (
    # What programs need to find their way; nothing else of the caller's environment gets in, so
    # that a stray SMTP_USERNAME or DATABASE_URL never does.
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
    "JAVA_HOME", "KAFKA_HOME",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PartState:
    """What the supervisor knows of a part; times in seconds since the epoch."""

    name: str
    state: str
    pid: int
    since: float
    remark: str


class NotStarted(Exception):
    """The supervisor did not start; the message has its own words."""


class Away(Exception):
    """The supervisor does not answer."""


def configuration(blueprint: Blueprint, directory: Directory) -> str:
    """Write supervisord's configuration for all parts."""
    sections = [
        _section(
            "supervisord",
            umask="077",
            logfile=_from(directory.root, directory.log_of("supervisor")),
            logfile_maxbytes="5MB",
            logfile_backups=1,
            pidfile=_from(directory.root, directory.run / "supervisord.pid"),
            childlogdir=_from(directory.root, directory.logs),
            **({"user": "root"} if os.getuid() == 0 else {}),
        ),
        _section(
            "inet_http_server",
            port=f"127.0.0.1:{blueprint.control.port}",
            username=USER,
            password=blueprint.control.password,
        ),
        _section(
            "rpcinterface:supervisor",
            **{
                "supervisor.rpcinterface_factory": (
                    "supervisor.rpcinterface:make_main_rpcinterface"
                ),
            },
        ),
    ]
    for priority, group in enumerate(STARTING_ORDER):
        parts = [part for part in blueprint.parts if part.group is group]
        if parts:
            names = ",".join(part.name for part in parts)
            sections.append(_section(f"group:{group}", programs=names, priority=priority))
        sections += [_program(part, directory) for part in parts]
    return "\n".join(sections)


def start(blueprint: Blueprint, directory: Directory) -> None:
    """Start supervisord in a session of its own, out of reach of this terminal and its Ctrl-C.

    Returns once it has read its configuration and listens; raises `NotStarted` if it cannot.
    """
    write_private(directory.run / CONFIGURATION.name, configuration(blueprint, directory))
    # Beside the configuration, because it expands and unquotes what it names, some of it twice.
    _link(directory.root / PYTHON, Path(sys.executable))
    _link(directory.root / LAUNCH, Path(launch.__file__))
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment |= {MARK: str(directory.root), "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
    started = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(CONFIGURATION)],
        check=False,
        cwd=directory.root,
        env=environment,
        capture_output=True,
        text=True,
    )
    if started.returncode != 0:
        raise NotStarted(f"the supervisor did not start: {started.stdout}{started.stderr}")


class Supervisor:
    """A running supervisord; every method raises `Away` if it does not answer."""

    def __init__(self, control: Control) -> None:
        self._url = f"http://{USER}:{control.password}@127.0.0.1:{control.port}/RPC2"

    def states(self) -> dict[str, PartState]:
        """Ask for the state of every part, by name."""
        answers = cast("list[dict[str, Any]]", self._call("getAllProcessInfo"))
        return {answer["name"]: _part_state(answer) for answer in answers}

    def shut_down(self) -> None:
        """Ask it to stop all parts in order and then itself; does not wait for that."""
        self._call("shutdown")

    def nudge(self) -> None:
        """Make it look at its children now; it answers even while it shuts down."""
        self._call("getState")

    def process_id(self) -> int:
        """Ask for its own process id."""
        return cast("int", self._call("getPID"))

    def stop(self, part: Part) -> None:
        """Stop one part; blocks until it has ended."""
        self._call("stopProcess", f"{part.group}:{part.name}")

    def start(self, part: Part) -> None:
        """Start one stopped part; blocks until it has run for a second."""
        self._call("startProcess", f"{part.group}:{part.name}")

    def _call(self, method: str, *arguments: str) -> object:
        # A connection of its own for each call: the supervisor may be another one by now.
        with xmlrpc.client.ServerProxy(self._url) as server:
            try:
                return cast("object", getattr(server.supervisor, method)(*arguments))
            except (OSError, HTTPException, xmlrpc.client.Error) as error:
                raise Away(str(error)) from error


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _part_state(answer: dict[str, Any]) -> PartState:
    running = answer["pid"] != 0
    return PartState(
        name=answer["name"],
        state=answer["statename"].lower(),
        pid=answer["pid"],
        since=float(answer["start"] if running else answer["stop"]),
        remark=answer["spawnerr"],
    )


def _program(part: Part, directory: Directory) -> str:
    blueprint = _from(directory.root, directory.blueprint)
    return _section(
        f"program:{part.name}",
        command=f"{PYTHON} -IS {LAUNCH} {blueprint} {part.name}",
        # A part may start before what it needs; it is started again, ever later, until it stays.
        autorestart="true",
        startsecs=part.settle_seconds,
        startretries=5,
        stopwaitsecs=part.stop_seconds,
        stopasgroup="true",
        killasgroup="true",
        redirect_stderr="true",
        stdout_logfile=_from(directory.root, directory.log_of(part.name)),
        stdout_logfile_maxbytes="10MB",
        stdout_logfile_backups=2,
    )


def _from(root: Path, path: Path) -> str:
    return str(path.relative_to(root))


def _section(heading: str, **options: object) -> str:
    lines = (f"{key} = {value}" for key, value in options.items())
    return "\n".join([f"[{heading}]", *lines, ""])


def last_lines(log: Path, count: int) -> list[str]:
    """Read the last lines of a log file; none if there is no file."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 64 * 1024))
        return file.read().decode(errors="replace").splitlines()[-count:]
