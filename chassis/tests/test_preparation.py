"""Preparing a store that may still be starting."""

from __future__ import annotations

import asyncio

import pytest

from tonearm_chassis.errors import Outage
from tonearm_chassis.preparation import Afterwards, Preparation


class Store:
    """A store that is away for its first attempts."""

    def __init__(self, outages: int) -> None:
        """Be away so many times."""
        self._outages = outages
        self.prepared = 0

    async def prepare(self) -> None:
        if self._outages:
            self._outages -= 1
            raise Outage("store: away")
        self.prepared += 1


async def test_a_store_that_is_starting_is_waited_for() -> None:
    store, stopping = Store(outages=2), asyncio.Event()
    preparation = Preparation(store.prepare)
    running = asyncio.create_task(preparation.run(stopping))

    await asyncio.wait_for(preparation.done.wait(), 5)
    stopping.set()
    await running

    assert store.prepared == 1


async def test_stopping_ends_a_preparation_that_cannot_succeed() -> None:
    stopping = asyncio.Event()
    preparation = Preparation(Store(outages=10**9).prepare)
    running = asyncio.create_task(preparation.run(stopping))

    await asyncio.sleep(0)
    stopping.set()
    await asyncio.wait_for(running, 5)

    assert not preparation.done.is_set()


async def test_anything_but_an_outage_ends_the_service() -> None:
    async def broken() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await Preparation(broken).run(asyncio.Event())


async def test_what_comes_afterwards_begins_when_the_preparation_is_done() -> None:
    store, stopping, begun = Store(outages=1), asyncio.Event(), asyncio.Event()
    preparation = Preparation(store.prepare)

    async def background(_: asyncio.Event) -> None:
        assert store.prepared == 1
        begun.set()

    afterwards = asyncio.create_task(Afterwards(preparation, background).run(stopping))
    running = asyncio.create_task(preparation.run(stopping))

    await asyncio.wait_for(begun.wait(), 5)
    stopping.set()
    await asyncio.gather(afterwards, running)


async def test_what_comes_afterwards_never_begins_if_the_service_stops_before() -> None:
    stopping, begun = asyncio.Event(), asyncio.Event()

    async def background(_: asyncio.Event) -> None:
        begun.set()

    stopping.set()
    await Afterwards(Preparation(), background).run(stopping)

    assert not begun.is_set()
