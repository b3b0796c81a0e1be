"""The proxy does what it is told: what a fault is made of must not be in doubt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from .fault_proxy import FAIR, FaultProxy, ProxyThread, Weather

PATIENCE_SECONDS = 5.0
HELD_SECONDS = 0.2


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say everything again."""
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """Stand before a server that says everything again."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = FaultProxy(0, server.sockets[0].getsockname()[1])
    await proxy.start()
    yield proxy
    await proxy.close()
    server.close()


class Caller:
    """A connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk over these."""
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, proxy: FaultProxy) -> Caller:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", proxy.port))

    async def says(self, what: bytes) -> bytes:
        """Say something and return what comes back in full, or until the end."""
        self._writer.write(what)
        await self._writer.drain()
        heard = b""
        while len(heard) < len(what):
            async with asyncio.timeout(PATIENCE_SECONDS):
                piece = await self._reader.read(65_536)
            if not piece:
                break
            heard += piece
        return heard

    async def loses(self, what: bytes) -> bool:
        """Say something and tell whether the connection breaks before all has come back."""
        try:
            return len(await self.says(what)) < len(what)
        except ConnectionError:
            return True

    async def hears_nothing(self, seconds: float) -> bool:
        """Tell whether nothing comes for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._reader.read(1)
        except TimeoutError:
            return True
        return False

    async def half_closes_after(self, what: bytes) -> bytes:
        """Say something, send FIN, and return all that comes."""
        self._writer.write(what)
        self._writer.write_eof()
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read()


async def test_in_fair_weather_every_byte_passes_both_ways(proxy: FaultProxy) -> None:
    said = bytes(range(256)) * 4096

    caller = await Caller.of(proxy)

    assert await caller.says(said) == said


async def test_what_is_under_way_arrives_after_a_half_close(proxy: FaultProxy) -> None:
    caller = await Caller.of(proxy)

    assert await caller.half_closes_after(b"the last words") == b"the last words"


async def test_latency_holds_back_every_piece(proxy: FaultProxy) -> None:
    caller = await Caller.of(proxy)
    await proxy.become(Weather(latency_seconds=HELD_SECONDS))

    begun = time.monotonic()
    await caller.says(b"a")
    await caller.says(b"b")

    assert time.monotonic() - begun >= 4 * HELD_SECONDS


async def test_a_reset_is_seen_as_one(proxy: FaultProxy) -> None:
    caller = await Caller.of(proxy)
    await caller.says(b"a")

    assert proxy.reset() == 1

    with pytest.raises(ConnectionError):
        await caller.says(b"b")


async def test_a_connection_is_cut_after_so_many_bytes_and_a_new_one_too(proxy: FaultProxy) -> None:
    await proxy.become(Weather(cut_after_bytes=1500))

    for _ in range(2):
        caller = await Caller.of(proxy)
        # 1000 there and 500 of them back.
        assert await caller.loses(b"x" * 1000)


async def test_bytes_are_counted_from_the_beginning_of_the_weather(proxy: FaultProxy) -> None:
    caller = await Caller.of(proxy)
    await caller.says(b"x" * 5000)
    await proxy.become(Weather(cut_after_bytes=5000))

    assert await caller.says(b"x" * 2000) == b"x" * 2000
    assert await caller.loses(b"x" * 2000)


async def test_in_a_black_hole_nothing_moves_and_nobody_is_told(proxy: FaultProxy) -> None:
    caller = await Caller.of(proxy)
    await proxy.become(Weather(black_hole=True))
    late = asyncio.create_task(caller.says(b"held"))

    newcomer = await Caller.of(proxy)
    silence = await newcomer.hears_nothing(HELD_SECONDS)
    held = not late.done()
    await proxy.become(FAIR)

    assert silence
    assert held
    assert await late == b"held"
    assert await newcomer.says(b"new") == b"new"


async def test_nobody_listens_where_connections_are_refused(proxy: FaultProxy) -> None:
    caller = await Caller.of(proxy)
    await caller.says(b"a")
    await proxy.become(Weather(refuse=True))

    with pytest.raises(ConnectionRefusedError):
        await Caller.of(proxy)
    with pytest.raises(ConnectionError):
        await caller.says(b"b")

    await proxy.become(FAIR)
    assert await (await Caller.of(proxy)).says(b"c") == b"c"


async def test_a_server_that_is_away_resets() -> None:
    proxy = FaultProxy(0, 1)
    await proxy.start()

    assert await (await Caller.of(proxy)).loses(b"a")
    await proxy.close()


async def test_proxies_in_a_thread_obey_callers_that_block() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    target = server.sockets[0].getsockname()[1]

    with ProxyThread() as proxies:
        await asyncio.to_thread(proxies.open, "store", 0, target)
        await asyncio.to_thread(proxies.become, "store", Weather(refuse=True))
        await asyncio.to_thread(proxies.heal)

        assert await asyncio.to_thread(proxies.reset, "store") == 0
    server.close()
