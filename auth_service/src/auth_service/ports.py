"""What the use cases need from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from auth_service.domain import Account, PasswordHash, SigningKey


class AccountStore(Protocol):
    """Where accounts are kept. Every method raises `Outage` if the store is away."""

    async def add(
        self, account: Account, password_hash: PasswordHash, request_id: str = ""
    ) -> None:
        """Store a new account and, unless it is empty, in the same write what request opened it.

        Raises `EmailTaken` if the address has an account, or if the request opened one, also in a
        race.
        """
        ...

    async def find_request(self, request_id: str) -> tuple[Account, PasswordHash] | None:
        """Find the account that this request opened, if that is remembered."""
        ...

    async def forget_requests(self, before: datetime) -> int:
        """Forget what requests opened the accounts that are older; count them."""
        ...

    async def find(self, email: str) -> tuple[Account, PasswordHash] | None:
        """Find the account with this address (in its normal form) and its password's hash."""
        ...

    async def replace_hash(self, account: Account, password_hash: PasswordHash) -> None:
        """Store another hash of the same password."""
        ...


class PasswordHasher(Protocol):
    """Turns passwords into hashes that cannot be turned back."""

    async def hash(self, password: str) -> PasswordHash:
        """Hash a password with a fresh salt."""
        ...

    async def matches(self, password_hash: PasswordHash | None, password: str) -> bool:
        """Tell whether the hash is of this password; None takes as long and is always False."""
        ...

    def is_outdated(self, password_hash: PasswordHash) -> bool:
        """Tell whether a new hash of the same password would be stronger."""
        ...


class SigningKeyStore(Protocol):
    """Where signing keys are kept. Every method raises `Outage` if the store is away."""

    async def list(self) -> Sequence[SigningKey]:
        """List all keys, newest first."""
        ...

    async def add_first(self, key: SigningKey) -> None:
        """Store the very first key; do nothing if there is one already, also in a race."""
        ...


class TokenSigner(Protocol):
    """Makes keys and signs with them."""

    def new_key(self) -> SigningKey:
        """Make a key pair."""
        ...

    def sign(self, key: SigningKey, account: Account) -> str:
        """Sign an access token for an account."""
        ...
