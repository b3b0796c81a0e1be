"""A program has itself told: it names an endpoint, and hears how each conversion ended."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from rest_client import RestClient, reason_of
from standardwebhooks import Webhook

PATIENCE_SECONDS = 60.0


@dataclass
class Program:
    """A server of the caller's, and what came to it."""

    url: str = ""
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def hears(self, number: int) -> tuple[dict[str, str], bytes]:
        """Wait for so many requests and give the last."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.heard) < number:
            assert time.monotonic() < deadline, f"only {len(self.heard)} came"
            time.sleep(0.05)  # it serves in real time
        return self.heard[number - 1]


@contextmanager
def listening() -> Iterator[Program]:
    """Serve on a free port of this machine."""
    program = Program()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            program.heard.append(
                ({name.lower(): value for name, value in self.headers.items()}, body)
            )
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        program.url = f"http://127.0.0.1:{server.server_port}/tonearm"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield program
        server.shutdown()
        thread.join()


def created(caller: RestClient, url: str, request_id: str = "") -> dict[str, Any]:
    answer = caller.http.post("/v1/webhooks", json={"url": url, "request_id": request_id})
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()["webhook"]
    return webhook


def settled(caller: RestClient, conversion_id: str) -> list[dict[str, Any]]:
    """Wait until nothing of a conversion is pending any more, and give its deliveries."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = caller.http.get("/v1/deliveries", params={"conversion_id": conversion_id})
        found: list[dict[str, Any]] = answer.json()["deliveries"]
        if all(each["state"] != "PENDING" for each in found):
            return found
        time.sleep(0.1)  # a running service is looked at
    raise AssertionError("something is still pending")


def test_a_program_hears_how_a_conversion_ended_and_again_when_it_asks(
    caller: RestClient, video: Path
) -> None:
    with listening() as program:
        request_id = str(uuid.uuid4())
        webhook = created(caller, program.url, request_id)
        repeated = created(caller, program.url, request_id)
        conversion = caller.converted(video)

        headers, body = program.hears(1)
        event = Webhook(webhook["secret"]).verify(body, headers)
        answer = caller.http.post(
            f"/v1/deliveries/{conversion['id']}:redeliver", json={"webhook_id": webhook["id"]}
        )
        again, same_body = program.hears(2)

    assert repeated == webhook
    assert event["type"] == "conversion.succeeded"
    assert event["data"]["conversion_id"] == conversion["id"]
    assert event["data"]["video_filename"] == video.name
    assert event["data"]["end_time"] == conversion["end_time"]
    assert answer.json()["delivery"]["state"] == "PENDING"
    assert again["webhook-id"] == headers["webhook-id"]
    assert same_body == body


def test_what_was_told_is_in_the_record_of_its_owner_only(
    caller: RestClient, new_caller: Callable[[], RestClient], video: Path
) -> None:
    with listening() as program:
        webhook = created(caller, program.url)
        conversion = caller.converted(video)
        program.hears(1)
        found = settled(caller, conversion["id"])

    stranger = new_caller()
    stranger.login(stranger.register())
    theirs = stranger.http.get(f"/v1/webhooks/{webhook['id']}")

    assert {(each["channel"], each["state"]) for each in found} == {
        ("MAIL", "DELIVERED"),
        ("WEBHOOK", "DELIVERED"),
    }
    assert {each["webhook_id"] for each in found} == {"", webhook["id"]}
    assert (theirs.status_code, reason_of(theirs)) == (404, "UNKNOWN_WEBHOOK")
    (listed,) = caller.http.get("/v1/webhooks").json()["webhooks"]
    assert (listed["id"], listed["secret"]) == (webhook["id"], "")


@pytest.mark.parametrize(
    "url", ["http://example.org/", "https://169.254.169.254/latest/", "https://10.0.0.1/", "no"]
)
def test_an_endpoint_that_could_be_inside_is_refused(caller: RestClient, url: str) -> None:
    answer = caller.http.post("/v1/webhooks", json={"url": url})

    assert (answer.status_code, reason_of(answer)) == (400, "INVALID_URL")


def test_an_account_has_five_webhooks_at_most(caller: RestClient) -> None:
    for number in range(5):
        created(caller, f"https://hooks.example/{number}")

    answer = caller.http.post("/v1/webhooks", json={"url": "https://hooks.example/6"})

    assert (answer.status_code, reason_of(answer)) == (400, "TOO_MANY_WEBHOOKS")
    listed = caller.http.get("/v1/webhooks", params={"page_size": 2}).json()
    assert [each["url"] for each in listed["webhooks"]] == [
        "https://hooks.example/4",
        "https://hooks.example/3",
    ]
    assert listed["next_page_token"]
