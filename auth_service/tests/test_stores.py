"""The contracts of the stores, over memory, SQLite and MariaDB."""

from __future__ import annotations

import asyncio
import traceback
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from auth_fakes import NOW, InMemoryAccountStore, InMemorySigningKeyStore
from cryptography.fernet import InvalidToken
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from auth_service.adapters.database import Database
from auth_service.adapters.sql_accounts import SQLAccountStore
from auth_service.adapters.sql_keys import SQLSigningKeyStore
from auth_service.adapters.tables import ACCOUNT_REQUESTS, ACCOUNTS, SIGNING_KEYS
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

OLD_REQUESTS = "SELECT id FROM account_requests WHERE create_time < '2000-01-01'"
EXPLANATIONS = {
    "sqlite": text("EXPLAIN QUERY PLAN " + OLD_REQUESTS),
    "mysql": text("EXPLAIN " + OLD_REQUESTS),
}
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


def request() -> str:
    return str(uuid.uuid4())


async def test_a_request_finds_the_account_that_it_opened(accounts: AccountStore) -> None:
    ada, first = account(), request()

    await accounts.add(ada, PasswordHash("hash"), first)

    assert await accounts.find_request(first) == (ada, "hash")
    assert await accounts.find_request(request()) is None


async def test_an_account_without_a_request_is_found_by_none(accounts: AccountStore) -> None:
    await accounts.add(account(), PasswordHash("hash"))

    assert await accounts.find_request("") is None


async def test_a_request_finds_the_hash_that_is_current(accounts: AccountStore) -> None:
    ada, first = account(), request()
    await accounts.add(ada, PasswordHash("old"), first)

    await accounts.replace_hash(ada, PasswordHash("new"))

    assert await accounts.find_request(first) == (ada, "new")


async def test_a_request_opens_no_second_account_and_leaves_nothing_of_it(
    accounts: AccountStore,
) -> None:
    ada, eve, first = account(), account(), request()
    await accounts.add(ada, PasswordHash("1"), first)

    with pytest.raises(EmailTaken):
        await accounts.add(eve, PasswordHash("2"), first)

    assert await accounts.find(eve.email) is None
    assert await accounts.find_request(first) == (ada, "1")


async def test_a_request_for_an_address_that_is_taken_is_not_remembered(
    accounts: AccountStore,
) -> None:
    ada, first = account(), request()
    await accounts.add(ada, PasswordHash("1"))

    with pytest.raises(EmailTaken):
        await accounts.add(account(ada.email), PasswordHash("2"), first)

    assert await accounts.find_request(first) is None


async def test_a_request_that_comes_many_times_at_once_opens_one_account(
    accounts: AccountStore,
) -> None:
    first = request()
    rivals = [account() for _ in range(5)]

    results = await asyncio.gather(
        *(accounts.add(each, PasswordHash("hash"), first) for each in rivals),
        return_exceptions=True,
    )

    assert results.count(None) == 1
    winner = rivals[results.index(None)]
    assert await accounts.find_request(first) == (winner, "hash")


async def test_only_requests_that_are_old_enough_are_forgotten(accounts: AccountStore) -> None:
    old, young = request(), request()
    ada = account()
    eve = replace(account(), create_time=ada.create_time + timedelta(seconds=1))
    await accounts.add(ada, PasswordHash("1"), old)
    await accounts.add(eve, PasswordHash("2"), young)

    forgotten = await accounts.forget_requests(eve.create_time)

    assert forgotten >= 1  # other tests left requests of the same age
    assert await accounts.find_request(old) is None
    assert await accounts.find_request(young) == (eve, "2")
    assert await accounts.find(ada.email) == (ada, "1")


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


async def test_a_database_of_the_first_version_keeps_all_it_has(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/auth.db"
    database = Database(url)
    await database.migrate()
    ada = account()
    await SQLAccountStore(database).add(ada, PasswordHash("hash"))
    await database.run(ACCOUNT_REQUESTS.drop)
    await database.run(
        lambda connection: connection.execute(text("UPDATE alembic_version SET version_num='0001'"))
    )

    await database.migrate()

    first, eve = request(), account()
    await SQLAccountStore(database).add(eve, PasswordHash("hash"), first)
    assert await SQLAccountStore(database).find(ada.email) == (ada, "hash")
    assert await SQLAccountStore(database).find_request(first) == (eve, "hash")
    await database.close()


async def test_a_second_migration_that_was_killed_half_way_is_finished(database: Database) -> None:
    await database.run(
        lambda connection: connection.execute(text("UPDATE alembic_version SET version_num='0001'"))
    )

    await database.migrate()

    version = await database.run(
        lambda connection: connection.scalar(text("SELECT version_num FROM alembic_version"))
    )
    assert version == "0002"


async def test_requests_are_found_by_age_without_reading_all(database: Database) -> None:
    plan = await database.run(
        lambda connection: connection.execute(EXPLANATIONS[connection.dialect.name]).all()
    )

    assert "by_age" in str(plan) or "COVERING INDEX" in str(plan)


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
