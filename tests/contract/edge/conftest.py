"""One edge for the session; a clean journal and an own source address for each test."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import grpc
import httpx
import pytest
import pytest_asyncio

from .fakes import Journal
from .stack import Edge, running_edge


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run every test here in the event loop in which the fake services run."""
    # The hook gets the tests of the whole run; the others keep a loop each.
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in here:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """Run one edge for all tests that leave its services alone."""
    async with running_edge(tmp_path_factory.mktemp("edge")) as edge:
        yield edge


@pytest.fixture(name="edge")
def _edge(shared_edge: Edge) -> Edge:
    """Hand out the shared edge with a clean journal."""
    shared_edge.journal.forget()
    return shared_edge


@pytest_asyncio.fixture(loop_scope="session")
async def fragile_edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """Run an edge whose services the test may stop."""
    async with running_edge(tmp_path_factory.mktemp("fragile")) as edge:
        yield edge


@pytest.fixture
def journal(edge: Edge) -> Journal:
    """Show what reached the services."""
    return edge.journal


@pytest.fixture(scope="session")
def _sources() -> Iterator[str]:
    return (f"127.1.{number // 250}.{number % 250 + 1}" for number in count())


@pytest.fixture
def source(_sources: Iterator[str]) -> str:
    """Name a loopback address that no other test comes from, for limits go by it."""
    return next(_sources)


@pytest_asyncio.fixture(loop_scope="session")
async def client(edge: Edge, source: str) -> AsyncIterator[httpx.AsyncClient]:
    """Speak HTTP/1.1 with the edge, as nobody in particular."""
    async with edge.client(source) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def member(edge: Edge, source: str) -> AsyncIterator[httpx.AsyncClient]:
    """Speak HTTP/1.1 with the edge, logged in."""
    async with edge.client(source) as client:
        client.headers.update(edge.bearer())
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def channel(edge: Edge) -> AsyncIterator[grpc.aio.Channel]:
    """Speak gRPC with the edge."""
    async with grpc.aio.insecure_channel(edge.address) as channel:
        yield channel
