"""Keep accounts in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from auth_service.adapters.database import Database
from auth_service.adapters.tables import ACCOUNT_REQUESTS, ACCOUNTS, from_stored, to_stored
from auth_service.domain import Account, AccountId, EmailTaken, PasswordHash


class SQLAccountStore:
    """An `AccountStore` in the tables `accounts` and `account_requests`."""

    def __init__(self, database: Database) -> None:
        """Keep accounts in `database`."""
        self._database = database

    async def add(
        self, account: Account, password_hash: PasswordHash, request_id: str = ""
    ) -> None:
        """Insert account and request in one transaction; the unique keys decide a race."""
        create_time = to_stored(account.create_time)
        statements = [
            insert(ACCOUNTS).values(
                id=account.id,
                email=account.email,
                password_hash=password_hash,
                create_time=create_time,
            )
        ]
        if request_id:
            statements.append(
                insert(ACCOUNT_REQUESTS).values(
                    id=request_id, account_id=account.id, create_time=create_time
                )
            )

        def work(connection: Connection) -> None:
            for statement in statements:
                connection.execute(statement)

        try:
            await self._database.run(work)
        except IntegrityError:
            message = "this e-mail address has an account already; log in"
            raise EmailTaken(message) from None

    async def find(self, email: str) -> tuple[Account, PasswordHash] | None:
        """Look the address up."""
        return await self._first(select(ACCOUNTS).where(ACCOUNTS.c.email == email))

    async def find_request(self, request_id: str) -> tuple[Account, PasswordHash] | None:
        """Look the request up, and its account."""
        join = ACCOUNTS.join(ACCOUNT_REQUESTS, ACCOUNTS.c.id == ACCOUNT_REQUESTS.c.account_id)
        statement = select(ACCOUNTS).select_from(join).where(ACCOUNT_REQUESTS.c.id == request_id)
        return await self._first(statement)

    async def forget_requests(self, before: datetime) -> int:
        """Delete by age."""
        statement = delete(ACCOUNT_REQUESTS).where(
            ACCOUNT_REQUESTS.c.create_time < to_stored(before)
        )
        return await self._database.run(lambda connection: connection.execute(statement).rowcount)

    async def replace_hash(self, account: Account, password_hash: PasswordHash) -> None:
        """Update the hash."""
        statement = (
            update(ACCOUNTS).where(ACCOUNTS.c.id == account.id).values(password_hash=password_hash)
        )
        await self._database.run(lambda connection: connection.execute(statement))

    async def _first(self, statement: Select[Any]) -> tuple[Account, PasswordHash] | None:
        row = await self._database.run(lambda connection: connection.execute(statement).first())
        if row is None:
            return None
        account = Account(AccountId(row.id), row.email, from_stored(row.create_time))
        return account, PasswordHash(row.password_hash)
