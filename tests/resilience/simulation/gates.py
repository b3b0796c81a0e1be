"""The network: whatever a process asks of the world waits here until the schedule lets it pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from .loop import PROCESS, Killed, Process, VirtualLoop

T = TypeVar("T")


class Fate(Enum):
    """What becomes of a request."""

    PASSES = "passes"
    LOST = "lost"
    """It never arrives; the caller sees an outage."""
    ANSWER_LOST = "answer lost"
    """It takes effect; the caller sees an outage."""


@dataclass(eq=False, slots=True)
class Gate:
    """One request on its way."""

    process: Process
    backend: str
    name: str
    effect: Callable[[], Coroutine[Any, Any, Any]]
    outage: Callable[[], Exception]
    reply: asyncio.Future[Any]

    def __repr__(self) -> str:
        return f"{self.process}:{self.name}"


class Network:
    """All requests under way, in the order of asking."""

    def __init__(self, loop: VirtualLoop) -> None:
        """Begin with nothing under way."""
        self._loop = loop
        self.gates: list[Gate] = []
        self.away: set[str] = set()
        self.opened = 0

    async def ask(
        self,
        backend: str,
        name: str,
        effect: Callable[[], Coroutine[Any, Any, T]],
        outage: Callable[[], Exception],
    ) -> T:
        """Wait until the schedule lets this request pass; then give what it brought.

        The request outlives its caller: it may take effect after the process was killed.
        """
        process = PROCESS.get()
        if process is None:
            return await effect()
        if not process.is_alive or self._loop.is_over:
            raise Killed
        gate = Gate(process, backend, name, effect, outage, self._loop.create_future())
        self.gates.append(gate)
        answer: T = await gate.reply
        return answer

    def open(self, gate: Gate, fate: Fate = Fate.PASSES) -> None:
        """Decide a request, and let everybody go on who can."""
        self.gates.remove(gate)
        self.opened += 1
        if gate.backend in self.away:
            fate = Fate.LOST
        error: BaseException | None = None
        answer = None
        if fate is not Fate.LOST:
            try:
                answer = immediate(gate.effect())
            except Exception as raised:  # noqa: BLE001 - it is the caller's to handle
                error = raised
        if fate is not Fate.PASSES:
            error = gate.outage()
        if not gate.reply.done():
            if error is None:
                gate.reply.set_result(answer)
            else:
                gate.reply.set_exception(error)
                gate.reply.exception()  # a caller that is dead or cancelled never looks
        self._loop.run_ready()

    def forget(self, process: Process) -> None:
        """Drop the requests of a process that is gone."""
        self.gates = [gate for gate in self.gates if gate.process is not process]


def immediate(coroutine: Awaitable[T]) -> T:
    """Run a coroutine that never waits."""
    running = coroutine.__await__()
    try:
        next(running)
    except StopIteration as done:
        answer: T = done.value
        return answer
    raise AssertionError("an effect waited for something")
