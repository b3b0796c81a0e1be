"""An event loop whose time is a number, and whose processes can die between any two steps."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

MAX_CALLBACKS = 200_000


class Livelock(AssertionError):
    """Something runs in circles without letting time pass."""


class Killed(BaseException):
    """What a dead process gets from whatever it still tries: nothing it does counts."""


class Process:
    """A program that can be killed or stopped at any moment."""

    def __init__(self, name: str, skew_seconds: float = 0.0) -> None:
        """Begin alive; its clock is `skew_seconds` ahead of the world's."""
        self.name = name
        self.skew_seconds = skew_seconds
        self.is_alive = True
        self.is_stopped = False
        self.held: list[Callback] = []

    def __repr__(self) -> str:
        return self.name


PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)


class Callback(asyncio.TimerHandle):
    """Something to run later, on behalf of a process."""

    __slots__ = ("arguments", "function", "process", "within")

    def __init__(
        self, when: float, function: Callable[..., object], args: Any, context: Context | None
    ) -> None:
        """Remember who asked for it; the base class would do much more, and slowly."""
        self.within = copy_context() if context is None else context
        self.function = function
        self.arguments = args
        self.process: Process | None = self.within.get(PROCESS)
        self._when = when
        self._cancelled = False

    def cancel(self) -> None:
        """Leave it where it waits: it is skipped when its time comes."""
        self._cancelled = True


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in order; time passes only when told to, and nothing ever waits for it."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.now = 0.0
        self.is_over = False
        self._ready: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Callback]] = []
        self._count = itertools.count()
        self.failures: list[BaseException] = []

    # What asyncio asks of a loop.

    def time(self) -> float:
        """Tell the virtual time."""
        return self.now

    def get_debug(self) -> bool:
        """Never debug: it costs a stack trace for each callback."""
        return False

    def is_running(self) -> bool:
        """Count as running, or futures would refuse to work."""
        return True

    def is_closed(self) -> bool:
        """Never closed before everything is over."""
        return self.is_over

    def call_soon(  # type: ignore[override] # the precise type takes more words than it is worth
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Callback:
        """Run a callback in this instant, after those that wait."""
        handle = Callback(self.now, callback, args, context)
        if not self.is_over:
            self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override] # as above
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Callback:
        """Run a callback when `delay` seconds have passed."""
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override] # as above
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Callback:
        """Run a callback at a moment."""
        handle = Callback(when, callback, args, context)
        heapq.heappush(self._timers, (when, next(self._count), handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Start a task, unless everything is over."""
        if self.is_over:
            forget(coro)
            raise Killed
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def run_in_executor(  # type: ignore[override] # as above
        self, _executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call at once: there are no threads here."""
        future = self.create_future()
        future.set_result(func(*args))
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Say nothing: the garbage collector calls this, whenever it likes."""

    # What the world asks of it.

    def run_ready(self) -> None:
        """Run everything that need not wait."""
        for _ in range(MAX_CALLBACKS):
            if not self._ready:
                return
            self._run(self._ready.popleft())
        raise Livelock(f"{MAX_CALLBACKS} callbacks and time stands still")

    def _run(self, handle: Callback) -> None:
        process = handle.process
        if handle.cancelled() or (process is not None and not process.is_alive):
            return
        if process is not None and process.is_stopped:
            process.held.append(handle)
            return
        handle.within.run(handle.function, *handle.arguments)

    def next_time(self) -> float | None:
        """Tell when the next timer is due that anybody alive waits for."""
        while self._timers:
            when, _, handle = self._timers[0]
            process = handle.process
            if not handle.cancelled() and (process is None or process.is_alive):
                return when
            heapq.heappop(self._timers)
        return None

    def fire(self, until: float) -> bool:
        """Go on to the next timer that is due by `until`, else to `until`; tell which."""
        due = self.next_time()
        if due is None or due > until:
            self.now = max(self.now, until)
            return False
        self.now = max(self.now, due)
        self._ready.append(heapq.heappop(self._timers)[2])
        return True

    def resume(self, process: Process) -> None:
        """Let a stopped process go on."""
        process.is_stopped = False
        held, process.held = process.held, []
        self._ready.extend(held)

    def close(self) -> None:
        """End all tasks, so that nothing of them is left to the garbage collector."""
        self.is_over = True
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio has no other way to say that it is meant
            end(task.get_coro())
        self._ready.clear()
        self._timers.clear()


def forget(coroutine: Any) -> None:
    """Drop a coroutine that will never run, and those it was given."""
    for each in (
        getattr(coroutine, "cr_frame", None) and coroutine.cr_frame.f_locals.values()
    ) or ():
        if asyncio.iscoroutine(each):
            each.close()
    coroutine.close()


def end(coroutine: Any) -> None:
    """Close a coroutine however often it awaits something on its way out."""
    for _ in range(20):
        try:
            coroutine.close()
        except RuntimeError:  # it awaited: "coroutine ignored GeneratorExit"
            continue
        except BaseException:  # noqa: BLE001 - the last words of a dead process
            return
        else:
            return
