"""A server in this process that strangers could have named, and that misbehaves on demand."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Play = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Request:
    """What arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Endpoint:
    """Where it is, what arrived, and what it does then."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    server_names: list[str | None] = field(default_factory=list)
    play: Play | None = None

    def answer(self, text: str) -> None:
        """Answer with these bytes from now on."""

        async def play(writer: asyncio.StreamWriter) -> None:
            writer.write(text.replace("\n", "\r\n").encode())
            await writer.drain()

        self.play = play


@asynccontextmanager
async def endpoint(tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """Serve on a free port of the loopback; without a `play` it answers 204."""
    served = Endpoint()
    served.answer("HTTP/1.1 204 No Content\n\n")
    tasks: set[asyncio.Task[None]] = set()

    def note_name(_: object, name: str | None, __: object) -> None:
        served.server_names.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        served.connections += 1
        try:
            served.requests.append(await _read(reader))
            assert served.play is not None
            await served.play(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client has had enough
        finally:
            writer.close()

    if tls is not None:
        tls.sni_callback = note_name
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(line, headers, body)
