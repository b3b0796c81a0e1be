"""A call that is cancelled while the driver waits takes no lock with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pymongo.asynchronous import pool, topology

from tonearm_chassis import mongo

TIMEOUT_SECONDS = 0.01

Wait = Callable[[asyncio.Condition, float | None], Awaitable[bool]]


@pytest.fixture(params=[pool, topology], ids=lambda module: str(module.__name__))
async def wait(request: pytest.FixtureRequest) -> Wait:
    """Find what the driver waits with once there is a client."""
    await mongo.connect("mongodb://127.0.0.1:1").close()
    found: Wait = request.param._async_cond_wait  # noqa: SLF001 - nothing else shows it
    return found


async def test_who_is_cancelled_as_the_wait_ends_leaves_the_lock_to_others(wait: Wait) -> None:
    condition = asyncio.Condition()

    async def call() -> None:
        async with condition:
            await wait(condition, TIMEOUT_SECONDS)

    calling = asyncio.create_task(call())
    await asyncio.sleep(0)
    async with condition:  # so that the call cannot have the lock when its time is over
        await asyncio.sleep(5 * TIMEOUT_SECONDS)  # only the loop knows when a timeout has struck
        calling.cancel()
        await asyncio.sleep(0)
        assert condition.locked()

    with pytest.raises(asyncio.CancelledError):
        await calling
    assert not condition.locked()


async def test_a_wait_ends_with_its_timeout_or_when_it_is_told(wait: Wait) -> None:
    condition = asyncio.Condition()

    async with condition:
        assert await wait(condition, TIMEOUT_SECONDS) is False
        telling = asyncio.create_task(tell(condition))
        assert await wait(condition, None) is True
        assert condition.locked()
    await telling


async def tell(condition: asyncio.Condition) -> None:
    """Wake up who waits."""
    async with condition:
        condition.notify_all()
