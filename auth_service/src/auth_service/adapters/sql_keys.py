"""Keep signing keys in SQL, their private halves encrypted."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from auth_service.adapters.database import Database
from auth_service.adapters.tables import SIGNING_KEYS, from_stored, to_stored
from auth_service.domain import KeyId, SigningKey

PURPOSE = b"tonearm auth signing keys v1"


class SQLSigningKeyStore:
    """A `SigningKeyStore` in the table `signing_keys`."""

    def __init__(self, database: Database, secret: str) -> None:
        """Encrypt private keys with a key derived from `secret` (HKDF, RFC 5869)."""
        self._database = database
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(
            secret.encode()
        )
        self._cipher = Fernet(base64.urlsafe_b64encode(derived))

    async def list(self) -> Sequence[SigningKey]:
        """Read all keys; raise `cryptography.fernet.InvalidToken` if the secret is another."""

        def work(connection: Connection) -> list[SigningKey]:
            rows = connection.execute(
                select(SIGNING_KEYS).order_by(SIGNING_KEYS.c.generation.desc())
            )
            return [
                SigningKey(
                    id=KeyId(row.id),
                    public=row.public_key,
                    private=self._cipher.decrypt(row.encrypted_private_key),
                    create_time=from_stored(row.create_time),
                )
                for row in rows
            ]

        return await self._database.run(work)

    async def add_first(self, key: SigningKey) -> None:
        """Insert generation 1."""
        statement = insert(SIGNING_KEYS).values(
            generation=1,
            id=key.id,
            public_key=key.public,
            encrypted_private_key=self._cipher.encrypt(key.private),
            create_time=to_stored(key.create_time),
        )
        try:
            await self._database.run(lambda connection: connection.execute(statement))
        except IntegrityError:
            return
