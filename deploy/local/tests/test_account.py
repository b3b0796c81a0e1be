"""The ready account is generated once, kept private and registered where it is unknown."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tonearm_local.account import Account, Refused, make_ready


def answering(*statuses: int) -> tuple[httpx.Client, list[str]]:
    """Make a client whose requests are answered in turn, and the list of what it asked."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        return httpx.Response(statuses[len(asked) - 1], json={"message": "so it is"})

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://edge"), asked


def test_an_account_is_remembered_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    account = Account.remembered(file)

    assert Account.remembered(file) == account
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_known_account_is_not_registered_again() -> None:
    client, asked = answering(200)

    make_ready(client, Account.generated())

    assert asked == ["POST /v1/login"]


def test_an_unknown_account_is_registered() -> None:
    client, asked = answering(401, 201)

    make_ready(client, Account.generated())

    assert asked == ["POST /v1/login", "POST /v1/accounts"]


def test_an_error_is_told_in_the_words_of_the_stack() -> None:
    client, _ = answering(503)

    with pytest.raises(Refused, match=r"POST /v1/login answered 503: .*so it is"):
        make_ready(client, Account.generated())
