"""Whom a token makes the caller, and what is no token of ours."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping, Sequence

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.tokens import AUDIENCE, ISSUER, TokenIssuer
from tonearm_chassis.tokens import (
    FRESH_SECONDS,
    RETRY_SECONDS,
    TOKEN_TABLE,
    Caller,
    ExpiredToken,
    InvalidToken,
    MissingToken,
    TokenVerifier,
)

YEAR_2100 = 4_102_444_800
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "a-1", "iat": 0, "exp": YEAR_2100}
HEADERS = {"kid": "test-key", "typ": "at+jwt"}


class Keys:
    """A key source that counts, and that can be away."""

    def __init__(self, *issuers: TokenIssuer) -> None:
        self.jwks: list[Mapping[str, str]] = [issuer.jwk() for issuer in issuers]
        self.fetches = 0
        self.away = False

    async def fetch(self) -> Sequence[Mapping[str, str]]:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.away:
            raise Outage("auth: away")
        return self.jwks


class Context:
    """A call's metadata."""

    def __init__(self, *metadata: tuple[str, str | bytes]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        return self._metadata


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys(issuer: TokenIssuer) -> Keys:
    return Keys(issuer)


@pytest.fixture
def verifier(keys: Keys, clock: FakeClock) -> TokenVerifier:
    return TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, clock=clock)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_good_token_names_the_caller(
    verifier: TokenVerifier, issuer: TokenIssuer, scheme: str
) -> None:
    context = Context(("x", "y"), ("authorization", f"{scheme} {issuer.token('a-1', 'a@b.org')}"))

    assert await verifier.caller(context) == Caller("a-1", "a@b.org")


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic YTpi"])
async def test_a_call_without_a_bearer_token_is_told_so(
    verifier: TokenVerifier, value: str | None
) -> None:
    context = Context() if value is None else Context(("authorization", value))

    with pytest.raises(MissingToken):
        await verifier.caller(context)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-service"},
        {"iss": "https://elsewhere.test"},
        {"sub": 7},
        {"iat": YEAR_2100},
        {"nbf": YEAR_2100},
        {"exp": "tomorrow"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_token_for_others_by_others_or_out_of_time_is_invalid(
    verifier: TokenVerifier, issuer: TokenIssuer, changes: dict[str, object]
) -> None:
    with pytest.raises(InvalidToken):
        await verifier.verify(issuer.token("a-1", "", **changes))


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub"])
async def test_every_claim_is_required(claim: str) -> None:
    private = Ed25519PrivateKey.generate()
    public = jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    keys = Keys()
    keys.jwks = [{**public, "kid": "test-key"}]
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, clock=FakeClock())
    claims = {name: value for name, value in CLAIMS.items() if name != claim}

    await verifier.verify(jwt.encode(CLAIMS, private, "EdDSA", HEADERS))
    with pytest.raises(InvalidToken):
        await verifier.verify(jwt.encode(claims, private, "EdDSA", HEADERS))


async def test_an_old_token_is_expired_and_half_a_minute_of_clock_skew_is_forgiven(
    verifier: TokenVerifier, issuer: TokenIssuer
) -> None:
    await verifier.verify(issuer.token("a-1", exp=time.time() - 20))

    with pytest.raises(ExpiredToken):
        await verifier.verify(issuer.token("a-1", exp=time.time() - 40))


async def test_a_token_that_nobody_signed_is_invalid(verifier: TokenVerifier) -> None:
    token = jwt.encode(CLAIMS, "", "none", HEADERS)

    with pytest.raises(InvalidToken):
        await verifier.verify(token)


async def test_the_public_key_is_no_secret_to_sign_with(
    verifier: TokenVerifier, issuer: TokenIssuer
) -> None:
    public = issuer.jwk()["x"]
    secrets = [public.encode(), base64.urlsafe_b64decode(public + "=")]

    for secret in secrets:
        token = jwt.encode(CLAIMS, secret, "HS256", HEADERS)
        with pytest.raises(InvalidToken):
            await verifier.verify(token)


@pytest.mark.parametrize("kind", ["JWT", "", None])
async def test_a_token_of_another_kind_is_invalid_whoever_signed_it(kind: str | None) -> None:
    private = Ed25519PrivateKey.generate()
    public = jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    keys = Keys()
    keys.jwks = [{**public, "kid": "test-key"}]
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, clock=FakeClock())

    with pytest.raises(InvalidToken):
        await verifier.verify(jwt.encode(CLAIMS, private, "EdDSA", HEADERS | {"typ": kind}))


async def test_a_signature_by_another_key_under_the_same_id_is_invalid(
    verifier: TokenVerifier,
) -> None:
    with pytest.raises(InvalidToken):
        await verifier.verify(TokenIssuer().token("a-1"))


def _nested(depth: int) -> str:
    text = "[" * depth
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    ["x", "..", "a.b.c", "\N{SNOWMAN}.e30.x", "e30.e30.", f"{_nested(20_000)}.e30.x", "W10.e30."],
    ids=["word", "dots", "letters", "snowman", "empty", "nested", "list"],
)
async def test_what_is_no_token_at_all_is_invalid(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(InvalidToken):
        await verifier.verify(token)


async def test_refusals_never_repeat_the_token(
    verifier: TokenVerifier, issuer: TokenIssuer
) -> None:
    token = issuer.token("a-1", aud="another-service")

    with pytest.raises(InvalidToken) as caught:
        await verifier.verify(token)

    assert not any(part in str(caught.value) for part in token.split("."))


async def test_keys_are_fetched_once_for_many_calls_and_again_when_they_are_old(
    verifier: TokenVerifier, issuer: TokenIssuer, keys: Keys, clock: FakeClock
) -> None:
    await asyncio.gather(*(verifier.verify(issuer.token("a-1")) for _ in range(20)))
    assert keys.fetches == 1

    clock.advance(FRESH_SECONDS + 1)
    await verifier.verify(issuer.token("a-1"))
    assert keys.fetches == 2


async def test_a_new_key_is_found_without_waiting_for_the_old_ones_to_age(
    verifier: TokenVerifier, issuer: TokenIssuer, keys: Keys, clock: FakeClock
) -> None:
    await verifier.verify(issuer.token("a-1"))
    successor = TokenIssuer(kid="next")
    keys.jwks.append(successor.jwk())
    clock.advance(RETRY_SECONDS + 1)

    assert (await verifier.verify(successor.token("a-2"))).account_id == "a-2"


async def test_made_up_key_ids_cannot_make_the_service_fetch_again_and_again(
    verifier: TokenVerifier, keys: Keys
) -> None:
    for number in range(50):
        with pytest.raises(InvalidToken):
            await verifier.verify(TokenIssuer(kid=f"made-up-{number}").token("a-1"))

    assert keys.fetches == 1


async def test_with_the_issuer_away_known_keys_stay_good_and_calls_do_not_wait(
    verifier: TokenVerifier, issuer: TokenIssuer, keys: Keys, clock: FakeClock
) -> None:
    await verifier.verify(issuer.token("a-1"))
    keys.away = True
    clock.advance(FRESH_SECONDS + 1)

    for _ in range(10):
        await verifier.verify(issuer.token("a-1"))

    assert keys.fetches == 2


async def test_with_the_issuer_away_from_the_start_it_is_an_outage_until_it_is_back(
    verifier: TokenVerifier, issuer: TokenIssuer, keys: Keys, clock: FakeClock
) -> None:
    keys.away = True
    for _ in range(10):
        with pytest.raises(Outage):
            await verifier.verify(issuer.token("a-1"))
    assert keys.fetches == 1

    keys.away = False
    clock.advance(RETRY_SECONDS + 1)
    await verifier.verify(issuer.token("a-1"))


async def test_a_published_key_that_makes_no_sense_does_not_spoil_the_others(
    verifier: TokenVerifier, issuer: TokenIssuer, keys: Keys
) -> None:
    good = keys.jwks[0]
    keys.jwks = [
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "short"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "rsa"},
        {name: value for name, value in good.items() if name != "kid"},
        json.loads("{}"),
        good,
    ]

    assert (await verifier.verify(issuer.token("a-1"))).account_id == "a-1"


def test_callers_learn_why_they_were_not_let_in() -> None:
    reasons = {answer.reason for answer in TOKEN_TABLE.values()}

    assert reasons == {"MISSING_TOKEN", "INVALID_TOKEN", "EXPIRED_TOKEN"}
    assert {answer.code for answer in TOKEN_TABLE.values()} == {grpc.StatusCode.UNAUTHENTICATED}
