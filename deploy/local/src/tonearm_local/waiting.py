"""Wait until a stack is ready, or say which part is not and why."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil

from tonearm_local import leftovers
from tonearm_local.blueprint import Blueprint, Group, Part
from tonearm_local.probes import obstacle
from tonearm_local.site import Directory
from tonearm_local.supervision import Away, PartState, Supervisor, last_lines

ROUND_SECONDS = 0.1
LINES = 12
HOPELESS = ("fatal", "unknown")


class NotReady(Exception):
    """A part did not come up; the message names it and ends with the last lines of its log."""


def wait_until_ready(blueprint: Blueprint, directory: Directory, *, seconds: float) -> None:
    """Block until every part runs and is ready; raises `NotReady` at the deadline or before."""
    deadline = time.monotonic() + seconds
    supervisor = Supervisor(blueprint.control)
    waiting = {part.name: "it was not asked yet" for part in blueprint.parts}
    while waiting:
        states = _states(supervisor, directory)
        _give_up_on_the_hopeless(states, directory)
        waiting = obstacles([part for part in blueprint.parts if part.name in waiting], states)
        if waiting and time.monotonic() > deadline:
            # The edge waits for the others, so it is to blame only when it is alone.
            blamed = sorted(waiting, key=lambda name: blueprint.part(name).group is Group.EDGE)
            name, others = blamed[0], ", ".join(blamed[1:]) or "none"
            raise NotReady(
                f"{name} was not ready within {seconds:.0f} s: {waiting[name]}"
                f" (also not ready: {others}){_tail(name, directory)}"
            )
        if waiting:
            time.sleep(ROUND_SECONDS)


def obstacles(parts: Iterable[Part], states: dict[str, PartState]) -> dict[str, str]:
    """Say of each part that is not ready what is in its way."""
    parts = list(parts)
    with ThreadPoolExecutor(max_workers=max(1, len(parts))) as pool:
        answers = pool.map(lambda part: _obstacle(part, states.get(part.name)), parts)
        return {
            part.name: answer
            for part, answer in zip(parts, answers, strict=True)
            if answer is not None
        }


def shut_down(blueprint: Blueprint) -> None:
    """Ask a stack to stop in order, and wait for it as long as its parts may take."""
    supervisor = Supervisor(blueprint.control)
    deadline = time.monotonic() + _longest_stop(blueprint)
    # Gone already, or too slow: whoever calls looks for what is left.
    with suppress(Away, psutil.Error):
        process = psutil.Process(supervisor.process_id())
        supervisor.shut_down()
        while leftovers.runs(process) and time.monotonic() < deadline:
            # It looks at its children once a second, or whenever somebody calls.
            with suppress(Away):
                supervisor.nudge()
            time.sleep(ROUND_SECONDS)


def _obstacle(part: Part, state: PartState | None) -> str | None:
    if state is None:
        return "the supervisor does not know it"
    if state.state not in ("starting", "running"):
        return state.remark or state.state
    # Somebody else's program may answer on the port as long as ours has not failed to get it.
    return obstacle(part.ready) or (
        None if state.state == "running" else "it has only just started"
    )


def _states(supervisor: Supervisor, directory: Directory) -> dict[str, PartState]:
    try:
        return supervisor.states()
    except Away as error:
        raise NotReady(f"the supervisor is gone: {error}{_tail('supervisor', directory)}") from None


def _give_up_on_the_hopeless(states: dict[str, PartState], directory: Directory) -> None:
    for state in states.values():
        if state.state in HOPELESS:
            raise NotReady(
                f"{state.name} does not stay up: {state.remark}{_tail(state.name, directory)}"
            )


def _tail(part: str, directory: Directory) -> str:
    log = directory.log_of(part)
    lines = last_lines(log, LINES)
    return "".join([f"\nThe end of {log}:", *(f"\n  {line}" for line in lines)])


def _longest_stop(blueprint: Blueprint) -> float:
    groups = [[p.stop_seconds for p in blueprint.parts if p.group is group] for group in Group]
    return 5.0 + sum(max(seconds, default=0) for seconds in groups)
