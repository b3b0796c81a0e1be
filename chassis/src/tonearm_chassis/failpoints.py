"""Fail on purpose, at a named point: how tests of resilience reach into a running service.

Off unless a directory is set. A point is armed by a file of its name in that directory, which says
what to do there:

    kill [SECONDS]     SIGKILL this process, at once or so much later
    stop [SECONDS]     SIGSTOP it; SIGCONT lets it go on
    outage             raise Outage
    pause SECONDS      wait

Whoever reaches the point first moves the file to `fired/POINT.PID.NANOSECONDS` and does it: of all
the processes that share the directory exactly one, and once.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

FIRED = "fired"
NO_PORTS: Mapping[str, str] = {}
# Python looks these up in the class, past `__getattr__`; they pass no points.
FORWARDED = (
    "__aenter__", "__aexit__", "__aiter__", "__anext__", "__await__", "__bool__", "__call__",
    "__contains__", "__enter__", "__eq__", "__exit__", "__getitem__", "__hash__", "__iter__",
    "__len__", "__next__", "__repr__",
)  # fmt: skip

P = TypeVar("P")


class UnknownAction(Exception):
    """A point is armed with something that this module does not know."""


def arm(directory: Path, point: str, action: str) -> None:
    """Arm a point; nobody sees the file half-written."""
    written = directory / f".{point}.{os.getpid()}"
    written.write_text(action, "utf-8")
    written.rename(directory / point)


class Failpoints:
    """The points of one process."""

    def __init__(self, directory: Path | None) -> None:
        """Look for armed points in `directory`, which is made if need be; None: all is off."""
        self._directory = directory
        if directory is not None:
            (directory / FIRED).mkdir(parents=True, exist_ok=True)
            log.warning("failpoints_on", directory=str(directory))

    def around(self, port: P, name: str, made: Mapping[str, str] = NO_PORTS) -> P:
        """Let every public method `m` of `port` pass the points `name.m.before` and `name.m.after`.

        What a method of `made` gives back is a port, too, and has the name that stands there. With
        all off this is the port itself. A method that fails passes no `after`; where a method is a
        generator the points are its begin and its end. In a method that is not async, `pause`
        holds up its whole thread.
        """
        if self._directory is None:
            return port
        namespace = {each: _forward(each) for each in FORWARDED if hasattr(type(port), each)}
        proxy = type(f"Failing{type(port).__name__}", (_Failing,), namespace)
        return cast("P", proxy(port, name, self, made))

    async def reach(self, point: str) -> None:
        """Pass a point that is no method of a port."""
        if seconds := self._fire(point):
            await asyncio.sleep(seconds)

    def reach_blocking(self, point: str) -> None:
        """Pass a point where nothing can be awaited."""
        if seconds := self._fire(point):
            time.sleep(seconds)

    def _fire(self, point: str) -> float:
        """Do what the point is armed with; tell how long to wait then."""
        action = self._disarm(point)
        if action is None:
            return 0.0
        log.warning("failpoint_fired", point=point, action=action)
        verb, _, seconds = action.partition(" ")
        match verb:
            case "kill":
                _signal(signal.SIGKILL, seconds)
            case "stop":
                _signal(signal.SIGSTOP, seconds)
            case "outage":
                raise Outage(f"failpoint: {point}")
            case "pause":
                return float(seconds)
            case _:
                raise UnknownAction(action)
        return 0.0

    def _disarm(self, point: str) -> str | None:
        if self._directory is None:
            return None
        fired = self._directory / FIRED / f"{point}.{os.getpid()}.{time.time_ns()}"
        try:
            # Of all who get here at once, the file system lets one do this.
            (self._directory / point).rename(fired)
        except FileNotFoundError:
            return None
        return fired.read_text("utf-8").strip()


def _signal(number: signal.Signals, seconds: str) -> None:
    if not seconds:
        os.kill(os.getpid(), number)
        return
    later = threading.Timer(float(seconds), os.kill, (os.getpid(), number))
    later.daemon = True
    later.start()


def _forward(special: str) -> Callable[..., Any]:
    def call(proxy: _Failing, *arguments: object) -> Any:  # noqa: ANN401 - as the port has it
        port = object.__getattribute__(proxy, "_port")
        return getattr(type(port), special)(port, *arguments)

    return call


class _Failing:
    """Stands before a port and looks like it."""

    def __init__(
        self, port: object, name: str, failpoints: Failpoints, made: Mapping[str, str]
    ) -> None:
        for attribute, value in (
            ("_port", port),
            ("_name", name),
            ("_failpoints", failpoints),
            ("_made", made),
        ):
            object.__setattr__(self, attribute, value)

    def __getattribute__(self, attribute: str) -> Any:  # noqa: ANN401 - whatever the port has
        port = object.__getattribute__(self, "_port")
        value = getattr(port, attribute)
        if attribute.startswith("_") or not inspect.isroutine(value):
            return value
        name, failpoints, made = (
            object.__getattribute__(self, each) for each in ("_name", "_failpoints", "_made")
        )
        if attribute in made:
            value = _making(value, failpoints, made[attribute])
        return _between(value, failpoints, f"{name}.{attribute}")

    def __setattr__(self, attribute: str, value: object) -> None:
        setattr(object.__getattribute__(self, "_port"), attribute, value)


def _making(method: Callable[..., Any], failpoints: Failpoints, name: str) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        @wraps(method)
        async def make_later(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - as above
            return failpoints.around(await method(*arguments, **named), name)

        return make_later

    @wraps(method)
    def make(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - as above
        return failpoints.around(method(*arguments, **named), name)

    return make


def _between(method: Callable[..., Any], failpoints: Failpoints, name: str) -> Callable[..., Any]:
    before, after = f"{name}.before", f"{name}.after"

    @wraps(method)
    async def call_async(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - as above
        await failpoints.reach(before)
        result = await method(*arguments, **named)
        await failpoints.reach(after)
        return result

    @wraps(method)
    async def iterate(*arguments: object, **named: object) -> AsyncIterator[Any]:
        await failpoints.reach(before)
        async with aclosing(method(*arguments, **named)) as items:
            async for item in items:
                yield item
        await failpoints.reach(after)

    @wraps(method)
    def call(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - as above
        failpoints.reach_blocking(before)
        result = method(*arguments, **named)
        failpoints.reach_blocking(after)
        return result

    if inspect.iscoroutinefunction(method):
        return call_async
    return iterate if inspect.isasyncgenfunction(method) else call
