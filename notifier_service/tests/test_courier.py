"""What the notifier does when strangers say where to."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import httpcore
import pytest
from notifier_endpoint import Endpoint, endpoint
from notifier_smtp import tls_contexts

from notifier_service.adapters.http_courier import HTTPCourier, Reach
from notifier_service.adapters.public_network import NoAddress, NotPublic, PublicNetwork, resolve
from notifier_service.domain import NoticeDeferred
from notifier_service.ports import Reply
from tonearm_chassis.testing.clock import FakeClock

HOST = "hooks.example"
HEADERS = {"content-type": "application/json", "webhook-id": "c1:webhook:w1"}
BODY = b'{"type":"conversion.succeeded"}'


class Names:
    """Name servers that answer one question after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        """Give these answers, the last of them again and again."""
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Wires(httpcore.AsyncMockBackend):
    """A network that leads nowhere, and remembers where to."""

    def __init__(self) -> None:
        """Begin with no connection."""
        super().__init__([])
        self.connected: list[tuple[str, int]] = []

    async def connect_tcp(
        self, host: str, port: int, *_: object, **__: object
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        return await super().connect_tcp(host, port)


def courier(
    names: Names | None = None,
    *,
    deadline_seconds: float = 5.0,
    insecure: Sequence[str] = (HOST,),
    tls: ssl.SSLContext | None = None,
) -> HTTPCourier:
    reach = Reach(
        names or Names(["127.0.0.1"]),
        insecure_hosts=frozenset(insecure),
        deadline_seconds=deadline_seconds,
        tls=tls,
    )
    return HTTPCourier(reach, FakeClock())


def url_of(served: Endpoint, scheme: str = "http") -> str:
    return f"{scheme}://{HOST}:{served.port}/in?key=1"


async def refusal(one: HTTPCourier, url: str) -> str:
    with pytest.raises(NoticeDeferred) as caught:
        await one.post(url, HEADERS, BODY)
    return str(caught.value)


async def test_a_request_is_posted_as_it_is_to_the_host_of_the_url() -> None:
    async with endpoint() as served:
        reply = await courier().post(url_of(served), HEADERS, BODY)

    (request,) = served.requests
    assert reply == Reply(204)
    assert request.line == "POST /in?key=1 HTTP/1.1"
    assert request.body == BODY
    assert request.headers["host"] == f"{HOST}:{served.port}"
    assert {name: request.headers[name] for name in HEADERS} == HEADERS
    assert request.headers["user-agent"] == "Tonearm-Webhooks/1"


@pytest.mark.parametrize("status", [200, 202, 301, 302, 307, 308, 400, 410, 429, 500, 503])
async def test_whatever_an_endpoint_answers_is_its_answer_and_no_redirect_is_followed(
    status: int,
) -> None:
    async with endpoint() as served:
        served.answer(f"HTTP/1.1 {status} So\nlocation: {url_of(served)}\ncontent-length: 0\n\n")

        reply = await courier().post(url_of(served), HEADERS, BODY)

    assert reply.status == status
    assert len(served.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Fri, 02 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("9" * 40, 999_999_999.0),
        ("Thu, 01 Jan 0000 99:99:99 GMT", 0.0),
    ],
)
async def test_an_endpoint_may_ask_to_be_spared_for_some_seconds(
    header: str, seconds: float
) -> None:
    async with endpoint() as served:
        served.answer(f"HTTP/1.1 503 No\nretry-after: {header}\ncontent-length: 0\n\n")

        reply = await courier().post(url_of(served), HEADERS, BODY)

    assert reply == Reply(503, seconds)


async def test_an_endpoint_may_ask_to_be_spared_until_a_date() -> None:
    later = FakeClock()
    later.advance(90)
    date = later.now().strftime("%a, %d %b %Y %H:%M:%S GMT")
    async with endpoint() as served:
        served.answer(f"HTTP/1.1 503 No\nRetry-After: {date}\ncontent-length: 0\n\n")

        reply = await courier().post(url_of(served), HEADERS, BODY)

    assert 89 <= reply.retry_after_seconds <= 90


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
    ],
)
async def test_no_connection_is_made_where_a_name_leads_to_no_public_address(
    addresses: list[str],
) -> None:
    async with endpoint() as served:
        why = await refusal(courier(Names(addresses), insecure=()), url_of(served, "https"))

    assert why == "its name leads to no public address"
    assert served.connections == 0


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0177.0.0.1", "0x7f.1", "127.1",
     "localhost"],
)  # fmt: skip
async def test_no_spelling_of_the_loopback_is_connected_to(host: str) -> None:
    one = HTTPCourier(Reach(resolve), FakeClock())
    async with endpoint() as served:
        why = await refusal(one, f"https://{host}:{served.port}/")

    assert why in {"its name leads to no public address", "its name leads nowhere"}
    assert served.connections == 0


async def test_a_name_that_turns_private_is_refused_when_it_does() -> None:
    wires = Wires()
    network = PublicNetwork(Names(["8.8.8.8"], ["127.0.0.1"]), frozenset(), wires)

    await network.connect_tcp(HOST, 443)
    with pytest.raises(NotPublic):
        await network.connect_tcp(HOST, 443)

    assert wires.connected == [("8.8.8.8", 443)]


async def test_a_name_is_asked_for_once_and_what_it_said_then_is_connected_to() -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with endpoint() as served:
        await courier(names).post(url_of(served), HEADERS, BODY)

    assert names.asked == [(HOST, served.port)]
    assert len(served.requests) == 1


async def test_an_address_that_does_not_answer_is_followed_by_the_next() -> None:
    async with endpoint() as served:
        reply = await courier(Names(["127.0.0.9", "127.0.0.1"])).post(url_of(served), HEADERS, BODY)

    assert reply == Reply(204)


async def test_without_tls_nothing_is_sent_but_to_hosts_that_the_operator_named() -> None:
    async with endpoint() as served:
        await refusal(courier(insecure=()), url_of(served))

    assert served.connections == 0


async def test_tls_is_for_the_name_though_the_address_is_pinned(tmp_path: Path) -> None:
    server, client = tls_contexts(tmp_path)
    async with endpoint(server) as served:
        reply = await courier(tls=client).post(url_of(served, "HTTPS"), HEADERS, BODY)

    assert reply == Reply(204)
    assert served.server_names == [HOST]
    assert served.requests[0].body == BODY


async def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    server, _ = tls_contexts(tmp_path)
    async with endpoint(server) as served:
        why = await refusal(courier(), url_of(served, "https"))

    assert why == "no secure connection to it could be made; look at its certificate"
    assert served.requests == []


async def test_a_certificate_for_another_name_gets_nothing(tmp_path: Path) -> None:
    server, client = tls_contexts(tmp_path)
    one = courier(tls=client, insecure=("other.example",))
    async with endpoint(server) as served:
        why = await refusal(one, f"https://other.example:{served.port}/")

    assert why == "no secure connection to it could be made; look at its certificate"
    assert served.requests == []


async def test_an_endpoint_that_says_nothing_is_given_up_at_the_deadline() -> None:
    async def hang(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)  # a real server takes its real time

    async with endpoint() as served:
        served.play = hang
        started = time.monotonic()
        why = await refusal(courier(deadline_seconds=0.3), url_of(served))

    assert why == "it did not answer in time"
    assert time.monotonic() - started < 2


async def test_an_endpoint_that_dribbles_its_answer_is_given_up_at_the_deadline() -> None:
    async def dribble(writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 10_000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)  # a real server takes its real time

    async with endpoint() as served:
        served.play = dribble
        started = time.monotonic()
        why = await refusal(courier(deadline_seconds=0.5), url_of(served))

    assert why == "it did not answer in time"
    assert time.monotonic() - started < 2


async def test_a_body_that_never_ends_changes_nothing_about_the_status() -> None:
    written = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 16_384)
            await writer.drain()
            written += 16_384

    async with endpoint() as served:
        served.play = flood
        started = time.monotonic()
        reply = await courier().post(url_of(served), HEADERS, BODY)

    assert reply == Reply(200)
    assert time.monotonic() - started < 2
    # Beyond the 64 KiB that are read there is only what the sockets hold.
    assert written < 16 * 1024 * 1024


async def test_a_body_that_dribbles_changes_nothing_about_the_status() -> None:
    async def dribble(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 410 Gone\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)  # a real server takes its real time

    async with endpoint() as served:
        served.play = dribble
        started = time.monotonic()
        reply = await courier(deadline_seconds=0.5).post(url_of(served), HEADERS, BODY)

    assert reply == Reply(410)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("SSH-2.0-OpenSSH_9.2 secret\n", "its answer was not HTTP"),
        ("", "its answer was not HTTP"),
        ("HTTP/1.1 200 OK\nx: " + "y" * 200_000, "its answer was not HTTP"),
    ],
)
async def test_what_is_no_answer_is_tried_again_and_never_quoted(answer: str, why: str) -> None:
    async with endpoint() as served:
        served.answer(answer)

        assert await refusal(courier(), url_of(served)) == why


async def test_a_port_where_nobody_listens_could_not_be_reached() -> None:
    async with endpoint() as served:
        pass

    assert await refusal(courier(), url_of(served)) == "it could not be reached"


async def test_a_name_that_leads_nowhere_is_tried_again() -> None:
    async def nowhere(host: str, _: int) -> Sequence[str]:
        raise NoAddress(host)

    one = HTTPCourier(Reach(nowhere), FakeClock())

    assert await refusal(one, f"https://{HOST}/") == "its name leads nowhere"
    with pytest.raises(NoAddress):
        await resolve("a" * 64 + ".invalid", 443)


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with endpoint() as proxy, endpoint() as served:
        for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await courier().post(url_of(served), HEADERS, BODY)

    assert proxy.connections == 0
    assert len(served.requests) == 1


def test_the_defaults_are_those_of_the_specification() -> None:
    reach = replace(Reach(resolve), deadline_seconds=15.0)

    assert reach == Reach(resolve)
    assert reach.insecure_hosts == frozenset()
