"""Keep accounts in SQL."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from auth_service.adapters.database import Database
from auth_service.adapters.tables import ACCOUNTS, from_stored, to_stored
from auth_service.domain import Account, AccountId, EmailTaken, PasswordHash


class SQLAccountStore:
    """An `AccountStore` in the table `accounts`."""

    def __init__(self, database: Database) -> None:
        """Keep accounts in `database`."""
        self._database = database

    async def add(self, account: Account, password_hash: PasswordHash) -> None:
        """Insert the account; the unique address decides a race."""
        statement = insert(ACCOUNTS).values(
            id=account.id,
            email=account.email,
            password_hash=password_hash,
            create_time=to_stored(account.create_time),
        )
        try:
            await self._database.run(lambda connection: connection.execute(statement))
        except IntegrityError:
            message = "this e-mail address has an account already; log in"
            raise EmailTaken(message) from None

    async def find(self, email: str) -> tuple[Account, PasswordHash] | None:
        """Look the address up."""

        def work(connection: Connection) -> tuple[Account, PasswordHash] | None:
            row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.email == email)).first()
            if row is None:
                return None
            account = Account(AccountId(row.id), row.email, from_stored(row.create_time))
            return account, PasswordHash(row.password_hash)

        return await self._database.run(work)

    async def replace_hash(self, account: Account, password_hash: PasswordHash) -> None:
        """Update the hash."""
        statement = (
            update(ACCOUNTS).where(ACCOUNTS.c.id == account.id).values(password_hash=password_hash)
        )
        await self._database.run(lambda connection: connection.execute(statement))
