"""Who gets past the edge, and who is told what."""

from __future__ import annotations

import asyncio
import base64
import json

import httpx
import pytest

from .errors import refusal
from .fakes import Journal
from .stack import Edge, Signer

REFRESH_SECONDS = 10.0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/accounts"),
        ("POST", "/v1/login"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/"),
        ("GET", "/assets/page.css"),
    ],
)
async def test_an_open_route_needs_no_token(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, path, json={} if method == "POST" else None)

    assert answer.status_code == httpx.codes.OK


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/conversions?filename=a.mp4"),
        ("GET", "/v1/conversions"),
        ("GET", "/v1/conversions/c1"),
        ("GET", "/v1/conversions/c1:watch"),
        ("POST", "/v1/conversions/c1:cancel"),
        ("POST", "/v1/conversions/c1:retry"),
        ("DELETE", "/v1/conversions/c1"),
        ("GET", "/v1/conversions/c1/audio"),
        ("GET", "/v1/deliveries"),
        ("POST", "/v1/deliveries/c1:redeliver"),
        ("POST", "/v1/webhooks"),
        ("GET", "/v1/webhooks"),
        ("GET", "/v1/webhooks/w1"),
        ("DELETE", "/v1/webhooks/w1"),
        ("POST", "/v1/webhooks/w1:enable"),
        ("POST", "/v1/webhooks/w1:rotateSecret"),
    ],
)
async def test_any_other_route_asks_for_a_token(
    client: httpx.AsyncClient, journal: Journal, method: str, path: str
) -> None:
    answer = await client.request(method, path)

    assert refusal(answer) == (401, "MISSING_TOKEN", 16)
    assert answer.headers["www-authenticate"] == 'Bearer realm="tonearm"'
    assert journal.calls == []


async def test_an_expired_token_is_told_from_a_wrong_one(
    edge: Edge, client: httpx.AsyncClient
) -> None:
    expired = edge.signer.token(lives_seconds=-120)

    answer = await client.get("/v1/conversions", headers={"authorization": f"Bearer {expired}"})

    assert refusal(answer) == (401, "EXPIRED_TOKEN", 16)
    assert "invalid_token" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("claim", [{"aud": "somebody else"}, {"iss": "https://evil.test"}])
async def test_a_token_for_or_from_somebody_else_is_refused(
    edge: Edge, client: httpx.AsyncClient, journal: Journal, claim: dict[str, str]
) -> None:
    token = edge.signer.token(changes=claim)

    answer = await client.get("/v1/conversions", headers={"authorization": f"Bearer {token}"})

    assert refusal(answer) == (401, "INVALID_TOKEN", 16)
    assert journal.calls == []


async def test_a_token_without_a_signature_is_refused(
    edge: Edge, client: httpx.AsyncClient, journal: Journal
) -> None:
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "first"}).encode())
    claims = edge.signer.token().split(".")[1]
    token = f"{head.decode().rstrip('=')}.{claims}."

    answer = await client.get("/v1/conversions", headers={"authorization": f"Bearer {token}"})

    assert refusal(answer) == (401, "INVALID_TOKEN", 16)
    assert journal.calls == []


async def test_a_strangers_signature_under_a_known_key_id_is_refused(
    edge: Edge, client: httpx.AsyncClient, journal: Journal
) -> None:
    token = Signer(edge.signer.kid).token()

    answer = await client.get("/v1/conversions", headers={"authorization": f"Bearer {token}"})

    assert refusal(answer) == (401, "INVALID_TOKEN", 16)
    assert journal.calls == []


async def test_a_token_in_the_query_is_no_token(edge: Edge, client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/conversions", params={"access_token": edge.signer.token()})

    assert refusal(answer) == (400, "INVALID_QUERY_PARAMETER", 3)


async def test_a_published_key_is_trusted_soon_and_a_withdrawn_one_no_more(
    edge: Edge, client: httpx.AsyncClient
) -> None:
    second = Signer("second")
    headers = {"authorization": f"Bearer {second.token()}"}
    assert (await client.get("/v1/deliveries", headers=headers)).status_code == 401

    edge.journal.keys.append(second.public_key())
    await until(client, headers, 200)
    edge.journal.keys.pop()
    await until(client, headers, 401)

    first = await client.get("/v1/deliveries", headers=edge.bearer())
    assert first.status_code == httpx.codes.OK


async def until(client: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    """Ask until the answer has a status; raise `TimeoutError` if that takes too long."""
    async with asyncio.timeout(REFRESH_SECONDS):
        # Envoy fetches the keys when it likes and tells nobody.
        while (await client.get("/v1/deliveries", headers=headers)).status_code != status:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
