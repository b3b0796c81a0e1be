"""Run what blocks in threads that never keep a process from ending."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def in_thread(function: Callable[[], T], name: str) -> asyncio.Future[T]:
    """Call `function` in a thread of its own and give its result as a future of this loop.

    Unlike those of an executor, the thread is not waited for when the process ends: a client
    library that is stuck in a socket cannot keep a service from stopping. Cancelling the future
    does not stop the thread.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome: Callable[[], None] = _result(future, context.run(function))
        except BaseException as error:  # noqa: BLE001 - it is raised where the future is awaited
            outcome = _failure(future, error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(outcome)

    threading.Thread(target=work, name=name, daemon=True).start()
    return future


def _result(future: asyncio.Future[T], result: T) -> Callable[[], None]:
    def settle() -> None:
        if not future.done():
            future.set_result(result)

    return settle


def _failure(future: asyncio.Future[T], error: BaseException) -> Callable[[], None]:
    def settle() -> None:
        if not future.done():
            future.set_exception(error)
            future.exception()  # seen: who gave up waiting needs no warning about it

    return settle
