"""What the auth service's tests share: databases to test against."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from auth_databases import mariadb_is_here, mariadb_url

from auth_service.adapters.database import Database
from auth_service.adapters.tables import SIGNING_KEYS


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not mariadb_is_here():
        pytest.skip(reason="MariaDB is not installed: deploy/real/install mariadb")
    with mariadb_url(tmp_path_factory.mktemp("mariadb")) as url:
        yield url


@pytest.fixture
async def sqlite_database(tmp_path: Path) -> AsyncIterator[Database]:
    async with migrated(f"sqlite:///{tmp_path}/auth.db") as database:
        yield database


@pytest.fixture
async def mariadb_database(mariadb: str) -> AsyncIterator[Database]:
    async with migrated(mariadb) as database:
        # The server lives as long as the run; the keys of one test must not.
        await database.run(lambda connection: connection.execute(SIGNING_KEYS.delete()))
        yield database


@pytest.fixture(params=["sqlite_database", "mariadb_database"])
def database(request: pytest.FixtureRequest) -> Database:
    database: Database = request.getfixturevalue(request.param)
    return database


@asynccontextmanager
async def migrated(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.migrate()
    try:
        yield database
    finally:
        await database.close()
