"""Stand between a service and a store, and misbehave on command: a TCP proxy for tests.

`FaultProxy` runs in an event loop, `ProxyThread` gives proxies a loop of their own, so that tests
that block can command them. The faults are those of Shopify's Toxiproxy that matter here.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar

PIECE_BYTES = 64 * 1024
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN."""
COMMAND_SECONDS = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weather:
    """How a proxy treats its connections, those that stand and those to come.

    `latency_seconds` holds back every piece, in either direction. `cut_after_bytes` resets a
    connection when so many bytes have passed since the weather began. In a `black_hole` nothing
    moves and nobody is told; what is held moves on when it is over. With `refuse` nobody listens.
    """

    latency_seconds: float = 0.0
    cut_after_bytes: int | None = None
    black_hole: bool = False
    refuse: bool = False


FAIR = Weather()


class FaultProxy:
    """Forwards connections from a port of this machine to another one."""

    def __init__(self, port: int, target: int) -> None:
        """Listen on `port` once started (0: any) and connect to `target`."""
        self.port = port
        self._target = target
        self._weather = FAIR
        self._moving = asyncio.Event()
        self._moving.set()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        await self._stop_listening()
        self.reset()

    async def become(self, weather: Weather) -> None:
        """Treat all connections like this from now on; `FAIR` heals."""
        self._weather = weather
        for connection in self._connections:
            connection.passed = 0
        if weather.black_hole:
            self._moving.clear()
        else:
            self._moving.set()
        if weather.refuse:
            await self._stop_listening()
            self.reset()
        elif self._server is None:
            await self.start()

    def reset(self) -> int:
        """Reset every connection that stands, and tell how many there were."""
        count = len(self._connections)
        for connection in list(self._connections):
            connection.reset()
        return count

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection([writer])
        self._connections.add(connection)
        try:
            await self._moving.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            connection.writers.append(back)
            ways = [self._pump(reader, back, connection), self._pump(there, writer, connection)]
            # A half-closed connection stays so: whoever sent a FIN may still be listening.
            await asyncio.gather(*ways)
        except OSError:
            connection.reset()
        except asyncio.CancelledError:
            connection.reset()
            raise
        finally:
            self._connections.discard(connection)
            for each in connection.writers:
                each.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        while piece := await reader.read(PIECE_BYTES):
            if self._weather.latency_seconds:
                await asyncio.sleep(self._weather.latency_seconds)
            await self._moving.wait()
            limit = self._weather.cut_after_bytes
            room = len(piece) if limit is None else max(0, limit - connection.passed)
            connection.passed += len(piece)
            writer.write(piece[:room])
            await writer.drain()
            if room < len(piece):
                raise ConnectionResetError
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()


class _Connection:
    """Both ends of a proxied connection, and how many bytes have passed."""

    def __init__(self, writers: list[asyncio.StreamWriter]) -> None:
        self.writers = writers
        self.passed = 0

    def reset(self) -> None:
        """Send RST both ways."""
        for writer in self.writers:
            connected: socket.socket | None = writer.get_extra_info("socket")
            if connected is not None:
                with suppress(OSError):
                    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


class ProxyThread:
    """Proxies by name, in a thread of their own; every method blocks until it is done."""

    def __init__(self) -> None:
        """Start the thread."""
        self._proxies: dict[str, FaultProxy] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Be closed at the end of a block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close all."""
        self.close()

    def open(self, name: str, port: int, target: int) -> None:
        """Listen under a name; one of that name that was there is closed first."""
        self._run(self._open(name, port, target))

    def become(self, name: str, weather: Weather) -> None:
        """Change one proxy's weather."""
        self._run(self._proxies[name].become(weather))

    def reset(self, name: str) -> int:
        """Reset the connections of one proxy, and tell how many there were."""
        return self._run(self._reset(name))

    def heal(self) -> None:
        """Make the weather fair everywhere."""
        for name in self._proxies:
            self.become(name, FAIR)

    def close(self) -> None:
        """Close all proxies and end the thread."""
        if self._loop.is_closed():
            return
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(COMMAND_SECONDS)
        self._loop.close()

    async def _open(self, name: str, port: int, target: int) -> None:
        if name in self._proxies:
            await self._proxies[name].close()
        self._proxies[name] = FaultProxy(port, target)
        await self._proxies[name].start()

    async def _reset(self, name: str) -> int:
        return self._proxies[name].reset()

    async def _close(self) -> None:
        for proxy in self._proxies.values():
            await proxy.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(COMMAND_SECONDS)
