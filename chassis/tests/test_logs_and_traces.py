"""What a service writes to stdout, and where its spans go. In processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import textwrap
from typing import Any

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def output(program: str, **environment: str) -> list[dict[str, Any]]:
    """Run a program after its preamble; give its log."""
    preamble = """
        import logging, sys, warnings
        import structlog
        from tonearm_chassis import logs, tracing
        logs.configure_logs("tiny", "info")
        log = logs.get_log("test")
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(preamble) + textwrap.dedent(program),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    assert (process.returncode, stderr) == (0, b"")
    return [json.loads(line) for line in stdout.splitlines()]


async def test_a_line_is_one_json_object_with_its_context() -> None:
    (line,) = await output("""
        structlog.contextvars.bind_contextvars(request_id="r-1")
        log.bind(account_id="a-1").info("upload_finished", bytes=5, title="two\\nlines")
    """)

    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "upload_finished",
        "level": "info",
        "service": "tiny",
        "request_id": "r-1",
        "account_id": "a-1",
        "bytes": 5,
        "title": "two\nlines",
    }


async def test_libraries_and_warnings_write_the_same_kind_of_line() -> None:
    library, warning = await output("""
        logging.getLogger("some.library").warning("pool of %d is full", 5)
        warnings.warn("old", stacklevel=1)
    """)

    assert (library["event"], library["level"]) == ("pool of 5 is full", "warning")
    assert (library["service"], library["logger"]) == ("tiny", "some.library")
    assert "UserWarning: old" in warning["event"]


async def test_a_traceback_is_part_of_its_line() -> None:
    (line,) = await output("""
        try:
            {}["missing"]
        except KeyError:
            log.exception("failed")
    """)

    assert line["level"] == "error"
    assert "KeyError: 'missing'" in line["exception"]


async def test_what_is_below_the_level_is_not_written() -> None:
    lines = await output("""
        log.debug("quiet")
        logging.getLogger("some.library").debug("quiet")
        logging.getLogger("kafka.net").error("reconnecting, once more")
        log.info("heard")
    """)

    assert [line["event"] for line in lines] == ["heard"]


async def test_a_trace_goes_on_from_hop_to_hop() -> None:
    (line,) = await output(f"""
        tracing.configure_tracing("tiny")
        with tracing.span("call", {{"traceparent": "{TRACEPARENT}"}}) as trace_id:
            log.info("hop", trace_id=trace_id, next=tracing.traceparent())
        assert tracing.traceparent() == ""
    """)

    assert line["trace_id"] == TRACEPARENT.split("-")[1]
    assert line["next"].startswith(f"00-{line['trace_id']}-")
    assert line["next"] != TRACEPARENT


async def test_spans_go_to_the_collector_that_the_environment_names() -> None:
    paths: list[str] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        paths.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(collect, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        lines = await output(
            """
            tracing.configure_tracing("tiny")
            with tracing.span("call", {}):
                pass
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{host}:{port}/",
            NO_PROXY="*",
        )

    exporterless = [line["event"] for line in lines] == ["spans_not_exported"]
    assert paths == ([] if exporterless else ["/v1/traces"])
