"""Prepare the store before the service says that it is ready."""

from __future__ import annotations

import asyncio
from typing import Protocol

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from tonearm_chassis.errors import Outage


class Preparable(Protocol):
    """A store that wants its indexes."""

    async def prepare(self) -> None:
        """Create them; a repeat changes nothing. Raises `Outage`."""
        ...


class Preparation:
    """A `Background` that creates the indexes, waiting for a store that is still starting."""

    def __init__(self, *stores: Preparable) -> None:
        """Prepare these stores."""
        self._stores = stores
        self.done = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Prepare once, then wait for the end."""
        preparing = asyncio.create_task(self._prepare())
        await stopping.wait()
        preparing.cancel()

    async def _prepare(self) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Outage),
            wait=wait_random_exponential(multiplier=0.1, max=2),
        ):
            with attempt:
                for store in self._stores:
                    await store.prepare()
        self.done.set()
