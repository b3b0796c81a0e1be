"""A whole service as a program: `python chassis_child.py BACKGROUND`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import uvloop
from chassis_rpc import Context, Request, Response, Tiny

from tonearm_chassis.logs import configure_logs
from tonearm_chassis.metrics import serve_metrics
from tonearm_chassis.server import Background, ServiceRunner
from tonearm_chassis.settings import ServiceSettings, load_settings
from tonearm_chassis.tracing import configure_tracing


async def nap(request: Request, _context: Context) -> Response:
    """Sleep as many seconds as the request says."""
    await asyncio.sleep(float(request.service or 0))
    return Response(status=Response.SERVING)


async def tick(_request: Request, _context: Context) -> AsyncIterator[Response]:
    """Answer for ever."""
    while True:
        yield Response(status=Response.SERVING)
        await asyncio.sleep(0.02)


class Failing:
    """Background work with a bug."""

    async def run(self, _stopping: asyncio.Event) -> None:
        """Fail soon."""
        await asyncio.sleep(0.1)
        raise LookupError("no such thing")


class Returning:
    """Background work that ends although nobody told it to."""

    async def run(self, _stopping: asyncio.Event) -> None:
        """Return soon."""
        await asyncio.sleep(0.1)


class Slow:
    """Background work that does not hear the signal."""

    async def run(self, _stopping: asyncio.Event) -> None:
        """Go on for ever."""
        await asyncio.Event().wait()


WORK: dict[str, list[Background]] = {
    "none": [],
    "failing": [Failing()],
    "returning": [Returning()],
    "slow": [Slow()],
}


async def main() -> None:
    """Compose and run the service."""
    settings = load_settings(ServiceSettings)
    configure_logs("tiny", settings.log_level)
    configure_tracing("tiny")
    serve_metrics(settings.metrics_address)
    tiny = Tiny(unary=nap, download=tick)
    runner = ServiceRunner(settings, [tiny.binding()], {})
    await runner.run(WORK[sys.argv[1]])


if __name__ == "__main__":
    uvloop.run(main())
