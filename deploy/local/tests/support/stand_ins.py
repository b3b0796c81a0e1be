"""Tiny programs in the place of real parts, and blueprints made of them."""

from __future__ import annotations

import sys
from pathlib import Path

from tonearm_local.blueprint import Addresses, Answers, Blueprint, Control, Group, Part
from tonearm_local.recipe import Recipe
from tonearm_local.site import Site

LISTENER = """
import os, signal, socket, subprocess, sys, time
behaviour, port = sys.argv[1], int(sys.argv[2])
print("a stand-in that is", behaviour, flush=True)
if behaviour == "broken":
    sys.exit("cannot go on: the stand-in is broken")
if behaviour == "deaf":
    time.sleep(600)
if behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if behaviour == "parent":
    job = os.path.join("scratch", "job")
    os.makedirs(job, exist_ok=True)
    subprocess.Popen(
        ["/bin/sleep", "600"], cwd=job, env={}, start_new_session=True,
    )
with socket.create_server(("127.0.0.1", port)) as server:
    while True:
        connection, _ = server.accept()
        connection.sendall(os.environ.get("GREETING", "hello").encode())
        connection.close()
"""


def stand_in(name: str, port: int, behaviour: str = "good", group: Group = Group.SERVICES) -> Part:
    """Describe a part that listens on a port and otherwise behaves as it is told."""
    return Part(
        name=name,
        group=group,
        argv=(sys.executable, "-IS", "-c", LISTENER, behaviour, str(port)),
        ports=(port,),
        ready=Answers(port, greeting="hello"),
        environment={"GREETING": "hello, here is % \"'; a stand-in"},
        stop_seconds=1,
    )


def recipe(**behaviours: str) -> Recipe:
    """Make a recipe of stand-ins, by name and behaviour."""

    def draw(site: Site) -> Blueprint:
        parts = [stand_in(name, site.ports.get(name), how) for name, how in behaviours.items()]
        return assemble(site, *parts)

    return draw


def assemble(site: Site, *parts: Part) -> Blueprint:
    """Put parts under a supervisor of the site."""
    control = Control(site.ports.get("supervisor"), site.secrets.get("supervisor"))
    url = f"http://127.0.0.1:{parts[0].ports[0]}"
    return Blueprint(parts=parts, control=control, addresses=Addresses(url=url))


def log_text(log: Path) -> str:
    """Read a whole log."""
    return log.read_text(encoding="utf-8")
