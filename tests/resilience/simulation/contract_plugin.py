"""A pytest plugin: run the stores' contract suites over the simulation's document store.

`pytest -p tests.resilience.simulation.contract_plugin converter_service/tests/test_claim_store.py`
shows that the simulated store does what the adapters expect of the real one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import tonearm_chassis.mongo
import tonearm_chassis.testing.mongo
from tonearm_chassis.clock import SystemClock

from .documents import DocumentDatabase, DocumentServer


class MemoryClient:
    """An `AsyncMongoClient` of a server in this process."""

    def __init__(self, server: DocumentServer) -> None:
        """Reach `server`, at once."""
        self._server = server

    async def __aenter__(self) -> Self:
        """Connect to nothing."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect from nothing."""

    def get_database(self, name: str, **_: object) -> DocumentDatabase:
        """Open a database."""

        async def ask(_name: str, effect: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
            return await effect()

        return DocumentDatabase(self._server, name, ask)

    def __getitem__(self, name: str) -> DocumentDatabase:
        """Open a database."""
        return self.get_database(name)

    async def drop_database(self, name: str) -> None:
        """Forget a database."""
        for key in [key for key in self._server.rows if key[0] == name]:
            del self._server.rows[key]

    async def close(self) -> None:
        """Disconnect from nothing."""


def pytest_configure() -> None:
    """Put the store in memory in the place of the server, before any test imports the latter."""
    servers: dict[str, DocumentServer] = {}
    count = itertools.count()

    @contextmanager
    def memory_server(_directory: Path) -> Iterator[str]:
        uri = f"memory://{next(count)}"
        yield uri

    def connect(uri: str) -> MemoryClient:
        # A server that was there already is not asked: what counts is that its tests run here.
        return MemoryClient(servers.setdefault(uri, DocumentServer(SystemClock().now)))

    tonearm_chassis.testing.mongo.__dict__["mongo_server"] = memory_server
    tonearm_chassis.mongo.__dict__["connect"] = connect
