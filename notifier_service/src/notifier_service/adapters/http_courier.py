"""Post to endpoints that strangers named, over HTTP/1.1 (RFC 9110, RFC 9112)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpcore

from notifier_service.adapters.public_network import (
    NoAddress,
    NotPublic,
    PublicNetwork,
    Resolve,
)
from notifier_service.domain import NoticeDeferred
from notifier_service.ports import Reply
from tonearm_chassis.clock import Clock
from tonearm_chassis.logs import get_log

log = get_log(__name__)

USER_AGENT = "Tonearm-Webhooks/1"
DEADLINE_SECONDS = 15.0
LONGEST_ANSWER_BYTES = 64 * 1024
TOO_LATE = "it did not answer in time"
NOT_PUBLIC = "its name leads to no public address"
UNKNOWN_NAME = "its name leads nowhere"
NO_TLS = "no secure connection to it could be made; look at its certificate"
NOT_HTTP = "its answer was not HTTP"
UNREACHABLE = "it could not be reached"
FAILURES = (
    NotPublic,
    NoAddress,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    OSError,  # TimeoutError is one of these
)


@dataclass(frozen=True, slots=True)
class Reach:
    """How endpoints are reached: `resolve` finds addresses, `insecure_hosts` need no TLS."""

    resolve: Resolve
    insecure_hosts: frozenset[str] = frozenset()
    deadline_seconds: float = DEADLINE_SECONDS
    tls: ssl.SSLContext | None = None
    """Whom to trust; None: the authorities that this machine trusts."""


class HTTPCourier:
    """A `Courier` that makes a connection for each request, and none by way of a proxy."""

    def __init__(self, reach: Reach, clock: Clock) -> None:
        """Tell by `clock` how far off a date is."""
        self._reach = reach
        self._clock = clock
        self._tls = reach.tls or ssl.create_default_context()
        self._network = PublicNetwork(reach.resolve, reach.insecure_hosts)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post within the deadline, of which reading the answer is a part."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https" and host not in self._reach.insecure_hosts:
            raise NoticeDeferred(NO_TLS)
        # Its status says all: what of the answer comes after that, or does not, changes nothing.
        answers: list[Reply] = []
        try:
            async with asyncio.timeout(self._reach.deadline_seconds):
                await self._post(url, headers, body, answers.append)
        except FAILURES as error:
            if not answers:
                log.warning("webhook_failed", host=host, cause=type(error).__name__)
                raise NoticeDeferred(_words(error)) from error
        return answers[0]

    async def _post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        answered: Callable[[Reply], None],
    ) -> None:
        sent = [("user-agent", USER_AGENT), ("connection", "close"), *headers.items()]
        async with (
            self._pool() as pool,
            pool.stream("POST", url, headers=sent, content=body) as response,
        ):
            answered(self._reply(response))
            await _hear_out(response)

    def _pool(self) -> httpcore.AsyncConnectionPool:
        return httpcore.AsyncConnectionPool(
            self._tls, max_connections=1, network_backend=self._network
        )

    def _reply(self, response: httpcore.Response) -> Reply:
        named = {name.lower(): value for name, value in response.headers}
        asked_for = named.get(b"retry-after", b"").decode("latin-1").strip()
        return Reply(response.status, self._seconds(asked_for))

    def _seconds(self, retry_after: str) -> float:
        """Read a number of seconds or a date; 0 for anything else (RFC 9110, section 10.2.3)."""
        if retry_after.isascii() and retry_after.isdecimal():
            return float(retry_after[:9])
        try:
            moment = parsedate_to_datetime(retry_after)
        except ValueError:
            return 0.0
        return max(0.0, (moment.astimezone(UTC) - self._clock.now()).total_seconds())


def _words(error: BaseException) -> str:
    """Say what went wrong to an owner, who need not know what a name leads to in here."""
    match error:
        case TimeoutError() | httpcore.TimeoutException():
            return TOO_LATE
        case NotPublic():
            return NOT_PUBLIC
        case NoAddress():
            return UNKNOWN_NAME
        case httpcore.ProtocolError() | httpcore.UnsupportedProtocol():
            return NOT_HTTP
    return NO_TLS if isinstance(error.__context__, ssl.SSLError) else UNREACHABLE


async def _hear_out(response: httpcore.Response) -> None:
    """Read a little of the body, as good manners are, and forget it."""
    heard = 0
    async for piece in response.aiter_stream():
        heard += len(piece)
        if heard >= LONGEST_ANSWER_BYTES:
            return
