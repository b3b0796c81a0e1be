"""What callers see while MariaDB is away, and how soon it is over, with real servers."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from auth_databases import MariaDB, mariadb_is_here, mariadb_server
from auth_fakes import NOW

from auth_service.adapters import database as adapter
from auth_service.adapters.database import CALL_SECONDS, CONNECTIONS, Database
from auth_service.adapters.sql_accounts import SQLAccountStore
from auth_service.domain import Account, AccountId, PasswordHash
from tonearm_chassis.errors import Outage

ADA = Account(AccountId("a1"), "ada@example.org", NOW)
SLACK_SECONDS = 3.0  # for a machine that is busy with other tests


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
