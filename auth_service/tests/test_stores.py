"""The contracts of the stores, over memory, SQLite and MariaDB."""

from __future__ import annotations

import asyncio
import traceback
import uuid
from pathlib import Path

import pytest
from auth_fakes import NOW, InMemoryAccountStore, InMemorySigningKeyStore
from cryptography.fernet import InvalidToken
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from auth_service.adapters.database import Database
from auth_service.adapters.sql_accounts import SQLAccountStore
from auth_service.adapters.sql_keys import SQLSigningKeyStore
from auth_service.adapters.tables import ACCOUNTS, SIGNING_KEYS
from auth_service.domain import (
    Account,
    AccountId,
    EmailTaken,
    KeyId,
    PasswordHash,
    SigningKey,
)
from auth_service.ports import AccountStore, SigningKeyStore
from tonearm_chassis.errors import Outage

SECRET = "a secret of at least thirty-two characters"


@pytest.fixture(params=["memory", "sqlite_database", "mariadb_database"])
def accounts(request: pytest.FixtureRequest) -> AccountStore:
    if request.param == "memory":
        return InMemoryAccountStore()
    return SQLAccountStore(request.getfixturevalue(request.param))


@pytest.fixture(params=["memory", "sqlite_database", "mariadb_database"])
def keys(request: pytest.FixtureRequest) -> SigningKeyStore:
    if request.param == "memory":
        return InMemorySigningKeyStore()
    return SQLSigningKeyStore(request.getfixturevalue(request.param), SECRET)


def account(email: str = "") -> Account:
    name = uuid.uuid4().hex
    return Account(AccountId(name), email or f"{name}@example.org", NOW.replace(microsecond=7000))


def signing_key(number: int = 1) -> SigningKey:
    name = uuid.uuid4().hex
    return SigningKey(KeyId(name), bytes([number]) * 32, bytes([number + 1]) * 32, NOW)


async def test_an_account_is_found_as_it_was_stored(accounts: AccountStore) -> None:
    ada = account()

    await accounts.add(ada, PasswordHash("hash"))

    assert await accounts.find(ada.email) == (ada, "hash")


async def test_an_unknown_address_finds_nothing(accounts: AccountStore) -> None:
    assert await accounts.find("nobody@example.org") is None


async def test_of_two_that_register_an_address_at_once_one_is_refused(
    accounts: AccountStore,
) -> None:
    ada = account()
    eve = account(ada.email)

    results = await asyncio.gather(
        accounts.add(ada, PasswordHash("1")),
        accounts.add(eve, PasswordHash("2")),
        return_exceptions=True,
    )

    assert [type(each) for each in results if each is not None] == [EmailTaken]


async def test_a_replaced_hash_is_found(accounts: AccountStore) -> None:
    ada = account()
    await accounts.add(ada, PasswordHash("old"))

    await accounts.replace_hash(ada, PasswordHash("new"))

    assert await accounts.find(ada.email) == (ada, "new")


async def test_the_first_key_comes_back_as_it_was_stored(keys: SigningKeyStore) -> None:
    key = signing_key()

    await keys.add_first(key)

    assert list(await keys.list()) == [key]


async def test_a_second_first_key_changes_nothing(keys: SigningKeyStore) -> None:
    key = signing_key()
    await keys.add_first(key)

    await keys.add_first(signing_key(9))

    assert list(await keys.list()) == [key]


async def test_private_keys_lie_encrypted_in_the_database(database: Database) -> None:
    key = signing_key()
    await SQLSigningKeyStore(database, SECRET).add_first(key)

    stored = await database.run(lambda connection: connection.execute(SIGNING_KEYS.select()).one())

    assert key.private not in stored.encrypted_private_key
    with pytest.raises(InvalidToken):
        await SQLSigningKeyStore(database, SECRET + "!").list()


async def test_migrating_again_changes_nothing(database: Database) -> None:
    store = SQLAccountStore(database)
    ada = account()
    await store.add(ada, PasswordHash("hash"))

    await database.migrate()

    assert await store.find(ada.email) == (ada, "hash")


async def test_a_migration_that_was_killed_half_way_is_finished(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/auth.db"
    engine = create_engine(url)
    ACCOUNTS.create(engine)
    engine.dispose()
    database = Database(url)

    await database.migrate()

    ada = account()
    await SQLAccountStore(database).add(ada, PasswordHash("hash"))
    assert await SQLAccountStore(database).find(ada.email) == (ada, "hash")
    await database.close()


async def test_what_a_statement_was_about_is_not_told_by_its_error(database: Database) -> None:
    ada = account()
    statement = text("SELECT :email FROM nowhere")

    with pytest.raises((Outage, DBAPIError)) as failed:
        await database.run(lambda connection: connection.execute(statement, {"email": ada.email}))

    told = "".join(traceback.format_exception(failed.value))
    assert "nowhere" in told
    assert ada.email not in told


async def test_instances_that_migrate_at_once_take_turns(mariadb: str) -> None:
    databases = [Database(mariadb) for _ in range(3)]

    await asyncio.gather(*(each.migrate() for each in databases))

    for each in databases:
        await each.run(lambda connection: connection.execute(ACCOUNTS.select()).first())
        await each.close()


async def test_a_database_that_is_away_is_an_outage() -> None:
    database = Database("mysql+pymysql://auth:x@127.0.0.1:9/auth")

    with pytest.raises(Outage, match="OperationalError"):
        await database.migrate()
    await database.close()


async def test_before_it_is_migrated_a_database_is_as_good_as_away(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/auth.db")

    with pytest.raises(Outage, match="not up to date"):
        await SQLAccountStore(database).find("ada@example.org")
    await database.close()
