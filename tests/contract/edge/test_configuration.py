"""The renderer, and what a rendered configuration says about itself."""

from __future__ import annotations

import asyncio
import json
import re

import httpx
import pytest

from .stack import DEPLOY, Edge, pairs, rendered

LOG_SECONDS = 5.0


async def test_a_missing_name_is_refused(edge: Edge) -> None:
    status, out, complaint = await rendered(*pairs(edge)[1:])

    assert status == 2
    assert out == ""
    assert "missing: LISTEN_ADDRESS" in complaint


async def test_an_unknown_name_is_refused(edge: Edge) -> None:
    status, out, complaint = await rendered(*pairs(edge), "LISTEN_PROT=1")

    assert status == 2
    assert out == ""
    assert "unknown: LISTEN_PROT" in complaint


@pytest.mark.parametrize("value", ["", "a\nb", "a\rb"])
async def test_a_value_that_is_empty_or_longer_than_a_line_is_refused(
    edge: Edge, value: str
) -> None:
    names = [pair for pair in pairs(edge) if not pair.startswith("TOKEN_ISSUER=")]

    status, out, complaint = await rendered(*names, f"TOKEN_ISSUER={value}")

    assert status == 2
    assert out == ""
    assert "TOKEN_ISSUER" in complaint


async def test_envoys_own_placeholders_survive(edge: Edge) -> None:
    _, text, _ = await rendered(*pairs(edge))

    assert '"%REQ(content-length)%"' in text
    assert "${" not in text


def test_the_readme_lists_every_name() -> None:
    template = (DEPLOY / "envoy.yaml").read_text()
    filled_in_here = {"LOCAL_REPLIES", "STATUS_LUA", "CUT_OFF_LUA"}
    names = set(re.findall(r"\$\{(\w+)\}", template)) - filled_in_here

    listed = re.findall(r"^\| `([A-Z_]+)` \|", (DEPLOY / "README.md").read_text(), re.MULTILINE)

    assert names <= set(listed)


def test_the_readme_lists_every_reason_with_its_status() -> None:
    replies = json.loads((DEPLOY / "local_replies.json").read_text())
    told = {(reply["reason"], str(reply["http_status"])) for reply in replies}

    rows = re.findall(
        r"^\| `([A-Z_]+)` \| (\d+) \|", (DEPLOY / "README.md").read_text(), re.MULTILINE
    )

    assert set(rows) == told


async def test_envoy_finds_nothing_to_warn_of(edge: Edge) -> None:
    lines = [json.loads(line) for line in edge.log_path.read_text().splitlines()]

    warnings = [line["message"] for line in lines if line["level"] != "info"]
    # The keys cannot be fetched before the listener is up; the next attempt is a second later.
    assert [line for line in warnings if "Jwks async fetching" not in line] == []


async def test_the_access_log_keeps_queries_and_tokens_to_itself(
    edge: Edge, member: httpx.AsyncClient
) -> None:
    answer = await member.get("/v1/conversions", params={"page_token": "very-private"})

    line = await log_line(edge, answer.headers["x-request-id"])
    assert line["path"] == "/v1/conversions"
    assert line["rpc"] == "/tonearm.gateway.v1.ConversionService/ListConversions"
    assert line["account_id"] == "0" * 32
    text = edge.log_path.read_text()
    assert "very-private" not in text
    assert member.headers["authorization"].removeprefix("Bearer ") not in text


async def log_line(edge: Edge, request_id: str) -> dict[str, object]:
    """Wait for a request's line in the access log; raise `TimeoutError` if it does not come."""
    async with asyncio.timeout(LOG_SECONDS):
        while True:
            for line in edge.log_path.read_text().splitlines():
                if request_id in line:
                    return dict(json.loads(line))
            await asyncio.sleep(0.05)


async def test_metrics_are_open_to_scrapers_and_the_rest_of_the_administration_is_not(
    edge: Edge,
) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=await metrics_url(edge)) as client:
        metrics = await client.get("/metrics")
        ready = await client.get("/ready")
        closed = [
            await client.get("/config_dump"),
            await client.post("/quitquitquit"),
            await client.get("/metrics/../clusters"),
            await client.post("/ready"),
        ]

    assert "envoy_cluster_upstream_rq_total" in metrics.text
    assert ready.text == "LIVE\n"
    assert [answer.status_code for answer in closed] == [404] * 4


async def metrics_url(edge: Edge) -> str:
    """Ask Envoy which port the kernel chose for the metrics."""
    listeners = (await edge.admin("/listeners?format=json")).json()["listener_statuses"]
    [address] = [
        listener["local_address"]["socket_address"]
        for listener in listeners
        if listener["name"] == "metrics"
    ]
    return f"http://127.0.0.1:{address['port_value']}"
