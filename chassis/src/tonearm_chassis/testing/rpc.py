"""Serve a service in this process, on a free loopback port, through the real interceptor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc

from tonearm_chassis.interceptors import CallInterceptor
from tonearm_chassis.server import OPTIONS, Binding
from tonearm_chassis.status import StatusTable


@asynccontextmanager
async def serving(
    bindings: Sequence[Binding], table: StatusTable
) -> AsyncIterator[grpc.aio.Channel]:
    """Serve `bindings` and yield a channel to them."""
    server = grpc.aio.server(interceptors=[CallInterceptor(table)], options=OPTIONS)
    for binding in bindings:
        binding.bind(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)
