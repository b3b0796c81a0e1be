"""Guessing passwords is slow, from wherever it is tried."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tonearm.auth.v1 import auth_pb2

from .errors import refusal
from .fakes import Journal
from .stack import Edge

BURST = 30


@pytest.mark.parametrize("path", ["/v1/login", "/v1/accounts"])
async def test_the_31st_attempt_from_an_address_has_to_wait(
    client: httpx.AsyncClient, path: str
) -> None:
    answers = [await client.post(path, json={}) for _ in range(BURST + 1)]

    assert {answer.status_code for answer in answers[:BURST]} == {200}
    assert refusal(answers[BURST]) == (429, "RATE_LIMITED", 8)
    assert 1 <= int(answers[BURST].headers["retry-after"]) <= 60


async def test_spelling_the_path_differently_or_naming_another_address_does_not_help(
    client: httpx.AsyncClient,
) -> None:
    await asyncio.gather(*(client.post("/v1/login", json={}) for _ in range(BURST)))

    answers = [
        await client.post("/v1/login/", json={}),
        await client.post("/v1/%6Cogin", json={}),
        await client.post("/v1//login", json={}),
        await client.post("/v1/login", json={}, headers={"x-forwarded-for": "192.0.2.1"}),
    ]

    assert [answer.status_code for answer in answers] == [429] * 4


async def test_grpc_and_rest_share_a_limit(
    edge: Edge, client: httpx.AsyncClient, source: str, journal: Journal
) -> None:
    await asyncio.gather(*(client.post("/v1/login", json={}) for _ in range(BURST)))
    journal.forget()
    message = auth_pb2.LoginRequest(email="ann@example.org").SerializeToString()

    async with edge.client(source, http2=True) as grpc_client:
        answer = await grpc_client.post(
            "/tonearm.auth.v1.AuthService/Login",
            content=b"\0" + len(message).to_bytes(4, "big") + message,
            headers={"content-type": "application/grpc", "te": "trailers"},
        )

    assert answer.headers["grpc-status"] == "8"
    assert journal.calls == []


async def test_other_addresses_and_other_calls_are_not_held_up(
    edge: Edge, client: httpx.AsyncClient
) -> None:
    await asyncio.gather(*(client.post("/v1/login", json={}) for _ in range(BURST + 1)))

    same_address = await client.post("/v1/accounts", json={})
    async with edge.client("127.2.0.1") as neighbour:
        other_address = await neighbour.post("/v1/login", json={})

    assert same_address.status_code == httpx.codes.OK
    assert other_address.status_code == httpx.codes.OK
