"""The auth service's ports, kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from auth_service.domain import Account, EmailTaken, KeyId, PasswordHash, SigningKey
from tonearm_chassis.errors import Outage

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class InMemoryAccountStore:
    """An `AccountStore` in a dictionary."""

    def __init__(self) -> None:
        """Begin empty and reachable."""
        self.rows: dict[str, tuple[Account, PasswordHash]] = {}
        self.requests: dict[str, str] = {}
        self.away = False

    async def add(
        self, account: Account, password_hash: PasswordHash, request_id: str = ""
    ) -> None:
        self._reach()
        if account.email in self.rows or request_id in self.requests:
            raise EmailTaken("taken")
        self.rows[account.email] = (account, password_hash)
        if request_id:
            self.requests[request_id] = account.email

    async def find_request(self, request_id: str) -> tuple[Account, PasswordHash] | None:
        self._reach()
        email = self.requests.get(request_id)
        return self.rows[email] if email else None

    async def forget_requests(self, before: datetime) -> int:
        self._reach()
        old = [
            request_id
            for request_id, email in self.requests.items()
            if self.rows[email][0].create_time < before
        ]
        for request_id in old:
            del self.requests[request_id]
        return len(old)

    async def find(self, email: str) -> tuple[Account, PasswordHash] | None:
        self._reach()
        return self.rows.get(email)

    async def replace_hash(self, account: Account, password_hash: PasswordHash) -> None:
        self._reach()
        self.rows[account.email] = (account, password_hash)

    def _reach(self) -> None:
        if self.away:
            raise Outage("accounts: away")


class FakePasswords:
    """A `PasswordHasher` that only writes the password backwards, and counts comparisons."""

    def __init__(self) -> None:
        """Begin with today's version."""
        self.compared = 0
        self.hashed = 0
        self.version = "v1"

    async def hash(self, password: str) -> PasswordHash:
        self.hashed += 1
        return PasswordHash(f"{self.version}:{password[::-1]}")

    async def matches(self, password_hash: PasswordHash | None, password: str) -> bool:
        self.compared += 1
        return password_hash is not None and password_hash.partition(":")[2] == password[::-1]

    def is_outdated(self, password_hash: PasswordHash) -> bool:
        return not password_hash.startswith(self.version)


class InMemorySigningKeyStore:
    """A `SigningKeyStore` in a list."""

    def __init__(self) -> None:
        """Begin without keys."""
        self.keys: list[SigningKey] = []

    async def list(self) -> Sequence[SigningKey]:
        return tuple(self.keys)

    async def add_first(self, key: SigningKey) -> None:
        if not self.keys:
            self.keys.append(key)


class FakeSigner:
    """A `TokenSigner` whose tokens can be read by eye."""

    def __init__(self) -> None:
        """Begin with key number one."""
        self.made = 0

    def new_key(self) -> SigningKey:
        self.made += 1
        return SigningKey(KeyId(f"key-{self.made}"), b"p" * 32, b"s" * 32, NOW)

    def sign(self, key: SigningKey, account: Account) -> str:
        return f"token of {account.email} by {key.id}"
