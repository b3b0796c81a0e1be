"""Tell how every part of a stack is doing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tonearm_local import leftovers
from tonearm_local.blueprint import Part, load
from tonearm_local.stack import Stack
from tonearm_local.supervision import Away, PartState, Supervisor
from tonearm_local.waiting import obstacles


@dataclass(frozen=True, slots=True)
class Report:
    """One line a part, and whether all of them are well."""

    lines: tuple[str, ...]
    healthy: bool


def report(stack: Stack) -> Report:
    """Ask the supervisor and the parts themselves; takes about a second at most."""
    blueprint = load(stack.directory.blueprint)
    if blueprint is None:
        return Report((f"Nothing was started in {stack.directory.root} yet.",), healthy=False)
    try:
        states = Supervisor(blueprint.control).states()
    except Away:
        return _stopped(stack)
    unwell = obstacles(blueprint.parts, states)
    lines = [
        _line("PART", "STATE", "PID", "ADDRESS", "SINCE"),
        *(_of(part, states.get(part.name), unwell.get(part.name)) for part in blueprint.parts),
    ]
    return Report(tuple(lines), healthy=not unwell)


def _stopped(stack: Stack) -> Report:
    left = leftovers.find(stack.directory.root)
    if not left:
        return Report(("The stack is stopped.",), healthy=False)
    pids = ", ".join(str(process.pid) for process in left)
    line = f"The supervisor is gone, processes are left over ({pids}); up and down end them."
    return Report((line,), healthy=False)


def _of(part: Part, state: PartState | None, obstacle: str | None) -> str:
    address = f"127.0.0.1:{part.ports[0]}"
    if state is None:
        return _line(part.name, "unknown", "-", address, "-")
    since = datetime.fromtimestamp(state.since).astimezone() if state.since else None
    line = _line(
        part.name,
        "ready" if obstacle is None else state.state,
        str(state.pid or "-"),
        address,
        since.isoformat(sep=" ", timespec="seconds") if since else "-",
    )
    return line if obstacle is None else f"{line}  ({obstacle})"


def _line(part: str, state: str, pid: str, address: str, since: str) -> str:
    return f"{part:<10} {state:<9} {pid:>7}  {address:<16} {since}".rstrip()
