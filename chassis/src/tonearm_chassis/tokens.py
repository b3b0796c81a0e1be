"""Verify bearer tokens: JWTs signed with Ed25519, as RFC 8725 and RFC 9068 advise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import OKPAlgorithm

from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log
from tonearm_chassis.status import Answer, StatusTable

log = get_log(__name__)

ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068, section 2.1
LEEWAY_SECONDS = 30
FRESH_SECONDS = 300.0  # how long fetched keys are used without asking again
RETRY_SECONDS = 2.0  # how soon an unknown key id, or a failure, may ask again
FETCH_SECONDS = 5.0  # a key source that says nothing for so long is away


class MissingToken(Exception):
    """The call carries no bearer token."""


class InvalidToken(Exception):
    """The token was not made for this service by its issuer."""


class ExpiredToken(Exception):
    """The token was good once."""


TOKEN_TABLE: StatusTable = {
    MissingToken: Answer(grpc.StatusCode.UNAUTHENTICATED, "MISSING_TOKEN"),
    InvalidToken: Answer(grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"),
    ExpiredToken: Answer(grpc.StatusCode.UNAUTHENTICATED, "EXPIRED_TOKEN"),
}
"""Services that verify tokens add this to their own table."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call, as their token says."""

    account_id: str
    email: str


class KeySource(Protocol):
    """Where the issuer publishes its keys."""

    async def fetch(self) -> Sequence[Mapping[str, str]]:
        """Fetch the published keys as JSON Web Keys (RFC 7517). Raises `Outage`."""
        ...


class CallContext(Protocol):
    """The part of a servicer context that carries the token."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Give the call's metadata as pairs."""
        ...


class TokenVerifier:
    """Tells whose token a call carries; keeps the issuer's keys for a while."""

    def __init__(self, keys: KeySource, *, issuer: str, audience: str, clock: Clock) -> None:
        """Accept only tokens that `issuer` made for `audience`."""
        self._source = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._refreshing = asyncio.Lock()

    async def caller(self, context: CallContext) -> Caller:
        """Read and verify the call's "authorization: Bearer" metadata.

        Raises `MissingToken`, `InvalidToken`, `ExpiredToken`, or `Outage` if the keys are needed
        and cannot be fetched.
        """
        for key, value in context.invocation_metadata() or ():
            if key == "authorization":
                scheme, _, token = str(value).partition(" ")
                if scheme.lower() == "bearer" and token:
                    return await self.verify(token.strip())
        raise MissingToken("send an access token: authorization: Bearer ...")

    async def verify(self, token: str) -> Caller:
        """Verify a token. Raises as `caller` does."""
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, RecursionError):  # deeply nested JSON ends in the latter
            raise InvalidToken("the access token is malformed") from None
        if header.get("typ") != TOKEN_TYPE or header.get("alg") != ALGORITHM:
            raise InvalidToken("the access token is of the wrong kind")
        key = await self._key(str(header.get("kid", "")))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise ExpiredToken("the access token has expired; log in again") from None
        except jwt.InvalidTokenError:
            raise InvalidToken("the access token is not valid here") from None
        return Caller(account_id=str(claims["sub"]), email=str(claims.get("email", "")))

    async def _key(self, kid: str) -> Ed25519PublicKey:
        if self._wants_keys(kid):
            # One fetch serves all calls that wait for it.
            async with self._refreshing:
                if self._wants_keys(kid):
                    await self._refresh()
        if kid in self._keys:
            return self._keys[kid]
        if not self._keys:
            raise Outage("keys: none were ever fetched")
        raise InvalidToken("the access token is signed with an unknown key")

    def _wants_keys(self, kid: str) -> bool:
        now = self._clock.monotonic()
        stale = now - self._fetched > FRESH_SECONDS or kid not in self._keys
        return stale and now - self._tried > RETRY_SECONDS

    async def _refresh(self) -> None:
        # Also when it fails: with the issuer away, calls must not queue up behind its silence.
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                published = await self._source.fetch()
        except (Outage, TimeoutError) as error:
            # The keys at hand stay good: the issuer being away must not shut everybody out.
            log.warning("token_keys_stale", cause=repr(error))
            return
        finally:
            self._tried = self._clock.monotonic()
        self._fetched = self._tried
        self._keys = dict(key for jwk in published if (key := _public_key(jwk)))


def _public_key(jwk: Mapping[str, str]) -> tuple[str, Ed25519PublicKey] | None:
    """Read a published key; None if it is of a kind that this service does not verify with."""
    try:
        key = OKPAlgorithm.from_jwk(json.dumps(dict(jwk)))
    except jwt.InvalidKeyError:
        key = None
    kid = jwk.get("kid")
    if kid is None or not isinstance(key, Ed25519PublicKey):
        log.warning("token_key_ignored", kid=kid)
        return None
    return kid, key
