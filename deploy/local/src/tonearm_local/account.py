"""A ready account: generated once for a data directory, registered wherever it is unknown."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from tonearm_local.private import write_private

SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Account:
    """Credentials to log in with."""

    email: str
    password: str

    @classmethod
    def generated(cls) -> Account:
        """Make up credentials that nobody else has; mail to the address goes to the mailbox."""
        return cls(f"listener-{secrets.token_hex(4)}@tonearm.example", secrets.token_hex(12))

    @classmethod
    def remembered(cls, file: Path) -> Account:
        """Read the credentials of a data directory, or generate and keep them."""
        if file.exists():
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        account = cls.generated()
        write_private(file, json.dumps(asdict(account), indent=1))
        return account


class Refused(Exception):
    """The stack answered with an error; the message has its status and its words."""


def connection(url: str) -> httpx.Client:
    """Open a client for the public port; a proxy of the environment is no way to loopback."""
    return httpx.Client(base_url=url, timeout=SECONDS, trust_env=False)


def register(client: httpx.Client, account: Account) -> None:
    """Open the account; raises `Refused`."""
    body = {"email": account.email, "password": account.password}
    checked(client.post("/v1/accounts", json=body))


def log_in(client: httpx.Client, account: Account) -> str:
    """Exchange the credentials for an access token; raises `Refused`."""
    answer = client.post("/v1/login", auth=(account.email, account.password))
    return str(checked(answer).json()["access_token"])


def make_ready(client: httpx.Client, account: Account) -> None:
    """See that one can log in with the account; registers it where it is unknown."""
    answer = client.post("/v1/login", auth=(account.email, account.password))
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        register(client, account)
    else:
        checked(answer)


def checked(answer: httpx.Response) -> httpx.Response:
    """Return a good answer; raises `Refused` for any other."""
    if answer.is_success:
        return answer
    answer.read()
    request = f"{answer.request.method} {answer.request.url.path}"
    raise Refused(f"{request} answered {answer.status_code}: {answer.text.strip()}")
