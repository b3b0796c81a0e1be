"""What callers see while MariaDB is away, and how soon it is over, with real servers."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from auth_databases import MariaDB, mariadb_is_here, mariadb_server
from auth_fakes import NOW
from sqlalchemy.engine import make_url

from auth_service.adapters import database as adapter
from auth_service.adapters.database import CALL_SECONDS, CONNECTIONS, Database
from auth_service.adapters.sql_accounts import SQLAccountStore
from auth_service.domain import Account, AccountId, PasswordHash
from tonearm_chassis.errors import Outage

ADA = Account(AccountId("a1"), "ada@example.org", NOW)
SLACK_SECONDS = 4.5  # for a machine that is busy with other tests; less than another timeout


@dataclass(frozen=True, slots=True)
class Subject:
    """A server, and a store whose every connection was used before the outage."""

    server: MariaDB
    store: SQLAccountStore

    async def ask(self, times: int = CONNECTIONS) -> list[object]:
        """Ask on all connections at once; tell the answers."""
        return await asyncio.gather(
            *(self.store.find(ADA.email) for _ in range(times)), return_exceptions=True
        )

    async def seconds_until_all_answer(self) -> float:
        """Ask again and again until there is nothing but answers."""
        start = time.monotonic()
        async with asyncio.timeout(60):
            # What is waited for is in another process and has no event.
            while await self.ask() != [(ADA, "hash")] * CONNECTIONS:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.1)  # as a caller does
        return time.monotonic() - start


@pytest.fixture
async def subject(tmp_path: Path) -> AsyncIterator[Subject]:
    if not mariadb_is_here():
        pytest.skip(reason="MariaDB is not installed: deploy/real/install mariadb")
    with mariadb_server(tmp_path / "mariadb") as server:
        database = Database(server.url)
        try:
            await database.migrate()
            subject = Subject(server, SQLAccountStore(database))
            await subject.store.add(ADA, PasswordHash("hash"))
            await subject.seconds_until_all_answer()
            yield subject
        finally:
            await database.close()


class Line:
    """A line to a server that can go dead without a word to either end."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.go_dead()
        for writer in self._writers:
            writer.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def go_dead(self) -> None:
        """Carry nothing more for those who are connected; new connections are as good as ever."""
        for pump in self._pumps:
            pump.cancel()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(_pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65536):
        sink.write(chunk)
    sink.close()


async def test_connections_that_went_dead_without_a_word_are_given_up(subject: Subject) -> None:
    url = make_url(subject.server.url)
    async with Line(url.port or 0) as line:
        database = Database(url.set(port=line.port).render_as_string(hide_password=False))
        await database.migrate()
        through = Subject(subject.server, SQLAccountStore(database))
        await through.seconds_until_all_answer()

        line.go_dead()
        during = await through.ask()
        answered_after = await through.seconds_until_all_answer()
        await database.close()

    assert {type(each) for each in during} == {Outage}
    assert answered_after < sum(adapter.MYSQL_TIMEOUTS.values())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
async def test_a_restart_leaves_no_stale_connection_behind(
    subject: Subject, number: signal.Signals
) -> None:
    subject.server.end(number)
    start = time.monotonic()
    during = await subject.ask(3 * CONNECTIONS)
    refused_after = time.monotonic() - start

    subject.server.start()
    answered_after = await subject.seconds_until_all_answer()

    assert {type(each) for each in during} == {Outage}
    assert refused_after < SLACK_SECONDS
    assert answered_after < SLACK_SECONDS


async def test_a_restart_that_nobody_noticed_costs_no_call(subject: Subject) -> None:
    subject.server.end(signal.SIGKILL)
    subject.server.start()
    await asyncio.sleep(0.5)  # it listens before it lets the account in

    assert await subject.ask() == [(ADA, "hash")] * CONNECTIONS


async def test_a_server_that_says_nothing_keeps_nobody_waiting_nor_is_it_missed_long(
    subject: Subject,
) -> None:
    subject.server.send(signal.SIGSTOP)
    start = time.monotonic()
    during = await subject.ask(3 * CONNECTIONS)
    given_up_after = time.monotonic() - start

    subject.server.send(signal.SIGCONT)
    answered_after = await subject.seconds_until_all_answer()

    assert {type(each) for each in during} == {Outage}
    assert given_up_after < CALL_SECONDS + SLACK_SECONDS
    # What is stuck in a socket gets its answer, or times out and connects anew.
    assert answered_after < sum(adapter.MYSQL_TIMEOUTS.values())
