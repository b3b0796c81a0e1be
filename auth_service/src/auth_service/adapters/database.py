"""Reach the accounts database: SQLAlchemy Core over PyMySQL, or SQLite on a laptop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from tonearm_chassis.errors import Outage

T = TypeVar("T")

CONNECTIONS = 8
LOCK_SECONDS = 30
# A database that says nothing must not keep callers waiting, nor the threads that asked it.
CALL_SECONDS = 5.0
MYSQL_TIMEOUTS = {"connect_timeout": 3, "read_timeout": 5, "write_timeout": 5}


class Database:
    """An engine whose blocking calls run in threads, one connection each."""

    def __init__(self, url: str) -> None:
        """Prepare to connect to `url`; connects at first use."""
        self._engine = _engine(url)
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="database")
        self._migrated = False

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction.

        Raises `Outage` if the database is away, silent or not migrated; integrity errors stay.
        """
        if not self._migrated:
            message = "database: its tables are not up to date yet"
            raise Outage(message)
        try:
            # What waits for a thread when time is up is never begun. What was begun may still be
            # done: then its answer is lost, as it can always be.
            async with asyncio.timeout(CALL_SECONDS):
                return await self._in_thread(work)
        except TimeoutError:
            message = "database: no answer in time"
            raise Outage(message) from None

    async def migrate(self) -> None:
        """Bring the tables up to date; a repeat changes nothing. Raises `Outage`."""
        await self._in_thread(_upgrade)
        self._migrated = True

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.dispose)
        self._threads.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    def _run(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except IntegrityError:
            raise
        except (DBAPIError, SQLAlchemyError) as error:
            if isinstance(error, DBAPIError) and not _may_pass(error):
                raise
            message = f"database: {type(error).__name__}"
            raise Outage(message) from error


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": CALL_SECONDS}, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    return create_engine(
        parsed,
        pool_size=CONNECTIONS,
        max_overflow=0,
        # A connection that MySQL closed while idle is replaced before it is used.
        pool_pre_ping=True,
        pool_recycle=280,
        connect_args=MYSQL_TIMEOUTS,
        # The text of an error goes to the log; addresses and password hashes must not.
        hide_parameters=True,
    )


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # Write-ahead logging lets readers and a writer work side by side.
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _may_pass(error: DBAPIError) -> bool:
    return error.connection_invalidated or isinstance(error, OperationalError)


def _upgrade(connection: Connection) -> None:
    mysql = connection.dialect.name == "mysql"
    if mysql:
        # Instances that start together take turns; the later ones find nothing to do.
        connection.execute(
            text("SELECT GET_LOCK('tonearm_auth_migrations', :s)"), {"s": LOCK_SECONDS}
        )
    try:
        config = Config()
        config.set_main_option("script_location", "auth_service:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    finally:
        if mysql:
            connection.execute(text("SELECT RELEASE_LOCK('tonearm_auth_migrations')"))
