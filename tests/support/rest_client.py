"""A caller of the REST API as a journey has one: no library of ours between it and the wire."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

PASSWORD = "a long enough password"
TIMEOUT_SECONDS = 30.0
CONVERT_SECONDS = 60.0
PIECE_BYTES = 256 * 1024

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """An account that can log in."""

    email: str
    password: str


class RestClient:
    """One caller of the stack at `url`, from a loopback address of its own.

    Envoy limits logins by the caller's address, so each test calls from another one.
    """

    def __init__(self, url: str, token: str = "") -> None:
        """Call the public port; with a token once there is one."""
        # random.SystemRandom, since the test run seeds the common generator alike for every test.
        last = ".".join(str(random.SystemRandom().randrange(2, 250)) for _ in range(3))
        transport = httpx.HTTPTransport(local_address=f"127.{last}")
        self.http = httpx.Client(base_url=url, transport=transport, timeout=TIMEOUT_SECONDS)
        if token:
            self.use(token)

    def __enter__(self) -> Self:
        """Be closed at the end of a block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connections."""
        self.http.close()

    def use(self, token: str) -> None:
        """Send this token from now on."""
        self.http.headers["authorization"] = f"Bearer {token}"

    def register(self, password: str = PASSWORD) -> Account:
        """Open a new account."""
        account = Account(f"{uuid.uuid4().hex}@example.org", password)
        answer = self.http.post(
            "/v1/accounts", json={"email": account.email, "password": account.password}
        )
        assert answer.status_code == 201, answer.text
        return account

    def login(self, account: Account) -> str:
        """Log in with HTTP Basic, and use the token from now on."""
        answer = self.http.post("/v1/login", auth=(account.email, account.password))
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        self.use(token)
        return token

    def upload(self, video: Path, **query: str | int) -> httpx.Response:
        """Upload a file as the raw body, streamed from the disk."""
        return self.http.post(
            "/v1/conversions",
            params={"filename": video.name, **query},
            content=pieces_of(video),
            headers={"content-length": str(video.stat().st_size)},
        )

    def converted(self, video: Path, **query: str | int) -> Json:
        """Upload a file and wait for the end of its conversion."""
        answer = self.upload(video, **query)
        assert answer.status_code == 201, answer.text
        return self.ended(answer.json()["conversion"]["id"])

    def get(self, conversion_id: str) -> Json:
        """Fetch a conversion."""
        answer = self.http.get(f"/v1/conversions/{conversion_id}")
        assert answer.status_code == 200, answer.text
        conversion: Json = answer.json()["conversion"]
        return conversion

    def ended(self, conversion_id: str) -> Json:
        """Wait for a final state."""
        deadline = time.monotonic() + CONVERT_SECONDS
        conversion = self.get(conversion_id)
        while conversion["state"] in ("QUEUED", "RUNNING") and time.monotonic() < deadline:
            time.sleep(0.05)
            conversion = self.get(conversion_id)
        if conversion["state"] not in ("QUEUED", "RUNNING"):
            return conversion
        raise AssertionError(f"no final state within {CONVERT_SECONDS} s: {conversion}")

    def watch(self, conversion_id: str) -> Iterator[Json]:
        """Follow a conversion, a line of JSON at a time."""
        with self.http.stream("GET", f"/v1/conversions/{conversion_id}:watch") as answer:
            assert answer.status_code == 200
            for line in answer.iter_lines():
                yield json.loads(line)["conversion"]

    def download(self, conversion_id: str) -> httpx.Response:
        """Download the MP3."""
        return self.http.get(f"/v1/conversions/{conversion_id}/audio")


def reason_of(answer: httpx.Response) -> str:
    """Read the reason out of an error's JSON, and check the shape that all errors share."""
    body = answer.json()
    assert set(body) == {"code", "message", "details"}, body
    assert body["message"]
    (info,) = (each for each in body["details"] if each["@type"].endswith("google.rpc.ErrorInfo"))
    assert info["domain"] == "tonearm"
    reason: str = info["reason"]
    return reason


def pieces_of(file: Path) -> Iterator[bytes]:
    """Read a file piece by piece."""
    with file.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece
