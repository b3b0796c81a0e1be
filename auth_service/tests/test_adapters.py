"""Real hashes and real tokens."""

from __future__ import annotations

import jwt
import pytest
from argon2 import PasswordHasher
from auth_fakes import NOW

from auth_service.adapters.argon2_passwords import Argon2Passwords
from auth_service.adapters.jwt_signer import JWTSigner
from auth_service.domain import Account, AccountId, PasswordHash, SigningKey
from auth_service.wire import keys_message
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.tokens import Caller, InvalidToken, TokenVerifier

ADA = Account(AccountId("a1"), "ada@example.org", NOW)


class PublishedKeys:
    """A `KeySource` that publishes what the wire would."""

    def __init__(self, *keys: SigningKey) -> None:
        """Publish these keys."""
        self._keys = keys

    async def fetch(self) -> list[dict[str, str]]:
        message = keys_message(self._keys)
        return [{"kty": k.kty, "crv": k.crv, "x": k.x, "kid": k.kid} for k in message.keys]


def signer(issuer: str = "tonearm", audience: str = "tonearm") -> JWTSigner:
    return JWTSigner(issuer=issuer, audience=audience, seconds=600, clock=SystemClock())


def verifier(*keys: SigningKey) -> TokenVerifier:
    return TokenVerifier(
        PublishedKeys(*keys), issuer="tonearm", audience="tonearm", clock=SystemClock()
    )


async def test_a_password_matches_its_own_hash_only() -> None:
    passwords = Argon2Passwords()

    stored = await passwords.hash("correct horse")

    assert stored.startswith("$argon2id$")
    assert await passwords.matches(stored, "correct horse")
    assert not await passwords.matches(stored, "wrong horse")
    assert not await passwords.matches(None, "nobody's password")


async def test_the_same_password_never_has_the_same_hash() -> None:
    passwords = Argon2Passwords()

    assert await passwords.hash("correct horse") != await passwords.hash("correct horse")


def test_a_weaker_hash_is_outdated() -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x")

    assert Argon2Passwords().is_outdated(PasswordHash(weak))


async def test_a_token_is_good_where_its_key_is_published() -> None:
    key = signer().new_key()

    token = signer().sign(key, ADA)

    assert await verifier(key).verify(token) == Caller("a1", "ada@example.org")


async def test_a_token_says_what_rfc_9068_wants() -> None:
    key = signer().new_key()

    token = signer().sign(key, ADA)

    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert header == {"alg": "EdDSA", "kid": key.id, "typ": "at+jwt"}
    assert claims["exp"] - claims["iat"] == 600
    assert {"iss", "aud", "sub", "email", "jti"} <= set(claims)


@pytest.mark.parametrize(("issuer", "audience"), [("eve", "tonearm"), ("tonearm", "eve")])
async def test_a_token_of_others_or_for_others_is_refused(issuer: str, audience: str) -> None:
    key = signer().new_key()

    token = signer(issuer, audience).sign(key, ADA)

    with pytest.raises(InvalidToken):
        await verifier(key).verify(token)
