"""Hash passwords with argon2id."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth_service.domain import PasswordHash

# OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, 2 passes, 1 lane.
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
# Each running hash holds its 19 MiB: a crowd at the door waits instead of eating the memory.
AT_A_TIME = 2


class Argon2Passwords:
    """A `PasswordHasher`; hashing runs in two threads."""

    def __init__(self) -> None:
        """Prepare the hash that unknown addresses are compared with."""
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="argon2")
        self._nobodys = PasswordHash(self._hasher.hash("nobody's password"))

    async def hash(self, password: str) -> PasswordHash:
        """Hash a password."""
        loop = asyncio.get_running_loop()
        return PasswordHash(await loop.run_in_executor(self._threads, self._hasher.hash, password))

    async def matches(self, password_hash: PasswordHash | None, password: str) -> bool:
        """Compare a password with a hash, or with nobody's."""
        loop = asyncio.get_running_loop()
        known = password_hash or self._nobodys
        same = await loop.run_in_executor(self._threads, self._verify, known, password)
        return same and password_hash is not None

    def is_outdated(self, password_hash: PasswordHash) -> bool:
        """Compare the hash's parameters with today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _verify(self, password_hash: PasswordHash, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
