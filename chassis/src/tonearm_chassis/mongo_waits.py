"""Let calls to MongoDB be cancelled while the driver waits for a server, on Python 3.11, too.

PyMongo waits on conditions with `asyncio.wait_for`. Before Python 3.12 that runs the wait in a task
of its own, and who is cancelled in the moment of the timeout leaves before that task has the lock
again: it stays locked, and no call of that client ever ends. Seen as a gateway that was healthy
and answered nothing after 30 s without MongoDB. `asyncio.timeout`, on which 3.12 builds
`wait_for`, stays in the task (https://github.com/python/cpython/pull/98518).
"""

from __future__ import annotations

import asyncio
import sys

from pymongo.asynchronous import pool, topology

DRIVERS_NAME = "_async_cond_wait"


async def wait_in_task(condition: asyncio.Condition, timeout: float | None) -> bool:  # noqa: ASYNC109 - the driver's signature
    """Wait for a condition whose lock is held, and hold it again; False after the timeout."""
    try:
        async with asyncio.timeout(timeout):
            return await condition.wait()
    except TimeoutError:
        return False


def mend_waits() -> None:
    """Have the driver wait so; a repeat changes nothing."""
    if sys.version_info < (3, 12):
        for module in (pool, topology):
            if not hasattr(module, DRIVERS_NAME):
                raise RuntimeError(f"{module.__name__} waits in another way by now: look again")
            setattr(module, DRIVERS_NAME, wait_in_task)
