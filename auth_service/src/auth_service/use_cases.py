"""The verbs of accounts: open one, log in, publish keys."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from auth_service.domain import (
    AccessToken,
    Account,
    AccountId,
    EmailTaken,
    InvalidCredentials,
    InvalidEmail,
    PasswordHash,
    RequestIdReused,
    SigningKey,
    check_password,
    normal_email,
    normal_request_id,
)
from auth_service.ports import AccountStore, PasswordHasher, SigningKeyStore, TokenSigner
from tonearm_chassis.clock import Clock
from tonearm_chassis.logs import get_log

log = get_log(__name__)

KEYS_FRESH_SECONDS = 60.0


class CreateAccount:
    """Open an account."""

    def __init__(self, accounts: AccountStore, passwords: PasswordHasher, clock: Clock) -> None:
        """Keep accounts in `accounts`, with passwords only as hashes."""
        self._accounts = accounts
        self._passwords = passwords
        self._clock = clock

    async def __call__(self, email: str, password: str, request_id: str = "") -> Account:
        """Open an account, or give the one that the same request opened already.

        Raises `InvalidEmail`, `InvalidRequestId`, a password refusal, `EmailTaken`, or
        `RequestIdReused` if the request was for another address or password: which of them, and
        whose, is not told, and costs one hash like everything else.
        """
        address, request = normal_email(email), normal_request_id(request_id)
        check_password(password)
        if request and (opened := await self._accounts.find_request(request)):
            return await self._the_same(opened, address, password)
        account = Account(AccountId(uuid.uuid4().hex), address, self._clock.now())
        password_hash = await self._passwords.hash(password)
        try:
            await self._accounts.add(account, password_hash, request)
        except EmailTaken:
            # By the same request, maybe: a repeat may overtake what it repeats.
            if request and (opened := await self._accounts.find_request(request)):
                return await self._the_same(opened, address, password)
            raise
        return account

    async def _the_same(
        self, opened: tuple[Account, PasswordHash], address: str, password: str
    ) -> Account:
        account, password_hash = opened
        # The password is compared for every address, or the time would tell which one is right.
        is_password = await self._passwords.matches(password_hash, password)
        if not is_password or account.email != address:
            message = "this request_id was used for another request; choose another one"
            raise RequestIdReused(message)
        return account


class SweepRequests:
    """Forget what requests opened accounts long ago."""

    def __init__(self, accounts: AccountStore, clock: Clock, *, keep: timedelta) -> None:
        """Remember requests for as long as somebody may repeat them."""
        self._accounts = accounts
        self._clock = clock
        self._keep = keep

    async def __call__(self) -> None:
        """Forget what was remembered long enough. Raises `Outage`."""
        if count := await self._accounts.forget_requests(self._clock.now() - self._keep):
            log.info("requests_forgotten", count=count)


class Keyring:
    """The keys tokens are signed with, read from the store now and then."""

    def __init__(self, store: SigningKeyStore, signer: TokenSigner, clock: Clock) -> None:
        """Read keys from `store`; `signer` makes the first one."""
        self._store = store
        self._signer = signer
        self._clock = clock
        self._keys: Sequence[SigningKey] = ()
        self._read = float("-inf")

    async def prepare(self) -> None:
        """Make the first key if there is none. Raises `Outage`."""
        await self.published()

    async def published(self) -> Sequence[SigningKey]:
        """List the keys that may verify a token today, newest first.

        Makes the first key if there is none. Several instances may do so at once: the store keeps
        one, and all of them read it back before they sign.
        """
        keys = await self._store.list()
        if not keys:
            await self._store.add_first(self._signer.new_key())
            keys = await self._store.list()
        self._keys = keys
        self._read = self._clock.monotonic()
        return keys

    async def current(self) -> SigningKey:
        """Give the key to sign with."""
        if not self._keys or self._clock.monotonic() - self._read > KEYS_FRESH_SECONDS:
            await self.published()
        return self._keys[0]


class Login:
    """Exchange credentials for an access token."""

    def __init__(
        self,
        accounts: AccountStore,
        passwords: PasswordHasher,
        keyring: Keyring,
        signer: TokenSigner,
        token_seconds: int,
    ) -> None:
        """Make tokens that are good for `token_seconds`."""
        self._accounts = accounts
        self._passwords = passwords
        self._keyring = keyring
        self._signer = signer
        self._token_seconds = token_seconds

    async def __call__(self, email: str, password: str) -> AccessToken:
        """Log in; raise `InvalidCredentials`, alike and as slowly for an unknown address."""
        found = await self._find(email)
        known = found[1] if found else None
        if not await self._passwords.matches(known, password) or found is None:
            message = "unknown e-mail address or wrong password"
            raise InvalidCredentials(message)
        account, password_hash = found
        if self._passwords.is_outdated(password_hash):
            await self._accounts.replace_hash(account, await self._passwords.hash(password))
        key = await self._keyring.current()
        return AccessToken(self._signer.sign(key, account), self._token_seconds)

    async def _find(self, email: str) -> tuple[Account, PasswordHash] | None:
        try:
            return await self._accounts.find(normal_email(email))
        except InvalidEmail:
            return None
