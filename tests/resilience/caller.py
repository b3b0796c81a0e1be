"""A caller who never gives up: tries again what may pass, and writes down every answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
from rest_client import PASSWORD, Account

from .endpoints import Endpoints
from .history import (
    Accepted,
    Asked,
    Downloaded,
    History,
    Listening,
    Missing,
    Odd,
    Opened,
    Seen,
    Source,
)

CALL_SECONDS = 12.0
PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 1.0
PIECE_BYTES = 256 * 1024
PASSING = frozenset({408, 429, 502, 503, 504})
"""What the contract lets a caller repeat; anything else is an answer, or a bug."""

Json = dict[str, Any]


class GaveUp(Exception):
    """Nobody answered for as long as this caller had patience."""


@dataclass(frozen=True, slots=True)
class Library:
    """The videos that a caller may upload."""

    directory: Path
    sources: dict[str, Source]


@dataclass(frozen=True, slots=True)
class Place:
    """Where Tonearm is, and where callers hear from it: below `hears_at`, at `endpoints`."""

    url: str
    hears_at: str
    endpoints: Endpoints


class Caller:
    """One account's calls over REST; `patience_seconds` bound every one, repeats included."""

    def __init__(
        self, place: Place, history: History, library: Library, *, patience_seconds: float = 120.0
    ) -> None:
        self._place = place
        self._history = history
        self._library = library
        self._patience_seconds = patience_seconds
        # Logins are limited by the caller's address.
        last = ".".join(str(random.SystemRandom().randrange(2, 250)) for _ in range(3))
        self._http = httpx.AsyncClient(
            base_url=place.url,
            transport=httpx.AsyncHTTPTransport(local_address=f"127.{last}"),
            timeout=CALL_SECONDS,
        )
        self._account = Account(f"{uuid.uuid4().hex}@example.org", PASSWORD)
        self._opening = str(uuid.uuid4())
        self.repeats = 0

    async def __aenter__(self) -> Self:
        await self.register()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def register(self) -> None:
        """Open an account, always by the same request, log in, and name an endpoint."""
        begun = time.time()
        body = {
            "email": self._account.email,
            "password": self._account.password,
            "request_id": self._opening,
        }
        answer = await self._call("POST", "/v1/accounts", expected=(201,), json=body)
        account_id = answer.json()["account"]["id"]
        self._history.add(Opened(account_id, self._opening, begun, time.time()))
        await self._log_in()
        await self._listen()

    async def _listen(self) -> None:
        begun, path = time.time(), f"/{self._opening}"
        body = {"url": f"{self._place.hears_at}{path}", "request_id": self._opening}
        answer = await self._call("POST", "/v1/webhooks", expected=(201,), json=body)
        webhook = answer.json()["webhook"]
        self._place.endpoints.trust(path, webhook["secret"])
        self._history.add(Listening(webhook["id"], self._opening, begun, time.time()))

    async def upload(self, source: str, request_id: str | None = None, **query: int) -> str:
        """Upload a video until it is accepted, and return its conversion's id."""
        request_id = request_id or str(uuid.uuid4())
        file = self._library.directory / source
        begun = time.time()
        answer = await self._call(
            "POST",
            "/v1/conversions",
            expected=(201,),
            params={"filename": source, "request_id": request_id, **query},
            headers={"content-length": str(await asyncio.to_thread(lambda: file.stat().st_size))},
            upload=file,
        )
        return self._accept(answer, request_id, source, begun)

    async def get(self, conversion_id: str) -> Seen | None:
        """Fetch a conversion; None if it is unknown."""
        begun = time.time()
        answer = await self._call("GET", f"/v1/conversions/{conversion_id}", expected=(200, 404))
        if answer.status_code == httpx.codes.NOT_FOUND:
            self._history.add(Missing(conversion_id, begun, time.time()))
            return None
        return self._see(answer.json()["conversion"], begun)

    async def watch(self, conversion_id: str) -> Seen | None:
        """Follow a conversion to its end, or until the stream breaks; the last that was seen."""
        last: Seen | None = None
        begun = time.time()
        path = f"/v1/conversions/{conversion_id}:watch"
        try:
            async with self._http.stream("GET", path, timeout=CALL_SECONDS) as answer:
                if answer.status_code != httpx.codes.OK:
                    return None
                async for line in answer.aiter_lines():
                    if line.strip():
                        last = self._see(json.loads(line)["conversion"], begun)
        except (httpx.HTTPError, KeyError):
            self.repeats += 1
        return last

    async def ended(self, conversion_id: str, *, seconds: float | None = None) -> Seen | None:
        """Wait for the final state; None if it is unknown. Raises `GaveUp`."""
        deadline = time.monotonic() + (seconds or self._patience_seconds)
        while time.monotonic() < deadline:
            seen = await self.get(conversion_id)
            if seen is None or seen.state not in ("QUEUED", "RUNNING"):
                return seen
            await asyncio.sleep(PAUSE_SECONDS)
        raise GaveUp(f"{conversion_id} has not ended")

    async def download(self, conversion_id: str) -> tuple[str, bytes] | None:
        """Download the audio and give its SHA-256, too; None if there is none."""
        begun = time.time()
        path = f"/v1/conversions/{conversion_id}/audio"
        answer = await self._call("GET", path, expected=(200, 400, 404, 409, 410))
        if answer.status_code != httpx.codes.OK:
            return None
        sha256 = hashlib.sha256(answer.content).hexdigest()
        self._history.add(Downloaded(conversion_id, sha256, begun, time.time()))
        return sha256, answer.content

    async def cancel(self, conversion_id: str) -> bool:
        """Call a conversion off; tell whether that was granted."""
        path = f"/v1/conversions/{conversion_id}:cancel"
        answer = await self._ask(conversion_id, "cancel", "POST", path)
        if answer.status_code == httpx.codes.OK:
            self._see(answer.json()["conversion"], time.time())
        return answer.is_success

    async def delete(self, conversion_id: str) -> bool:
        """Delete a conversion; tell whether that was granted."""
        path = f"/v1/conversions/{conversion_id}"
        return (await self._ask(conversion_id, "delete", "DELETE", path)).is_success

    async def retry(self, conversion_id: str, source: str) -> str | None:
        """Ask for the same again; None if that is refused."""
        request_id = str(uuid.uuid4())
        begun = time.time()
        path = f"/v1/conversions/{conversion_id}:retry"
        answer = await self._ask(
            conversion_id, "retry", "POST", path, json={"request_id": request_id}
        )
        return self._accept(answer, request_id, source, begun) if answer.is_success else None

    async def _ask(
        self,
        conversion_id: str,
        what: str,
        method: str,
        path: str,
        **options: Any,  # noqa: ANN401 - as httpx has them
    ) -> httpx.Response:
        begun = time.time()
        # In the history before the call, for it may be granted without an answer.
        self._history.add(Asked(conversion_id, what, answered=False, begun=begun, ended=begun))
        if method == "POST":
            options.setdefault("json", {})
        expected = (200, 201, 400, 404, 409)
        answer = await self._call(method, path, expected=expected, **options)
        self._history.add(
            Asked(conversion_id, what, answered=answer.is_success, begun=begun, ended=time.time())
        )
        return answer

    def _accept(self, answer: httpx.Response, request_id: str, source: str, begun: float) -> str:
        conversion = answer.json()["conversion"]
        entry = Accepted(conversion["id"], request_id, source, begun, time.time())
        self._history.add(entry)
        self._see(conversion, begun)
        return entry.conversion_id

    def _see(self, conversion: Json, begun: float) -> Seen:
        audio = conversion.get("audio") or {}
        details = (conversion.get("error") or {}).get("details") or [{}]
        seen = Seen(
            conversion_id=conversion["id"],
            state=conversion["state"],
            begun=begun,
            ended=time.time(),
            audio=audio.get("sha256", ""),
            reason=details[0].get("reason", ""),
        )
        self._history.add(seen)
        return seen

    async def _log_in(self) -> None:
        answer = await self._call(
            "POST", "/v1/login", expected=(200,), auth=(self._account.email, self._account.password)
        )
        self._http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"

    async def _call(
        self,
        method: str,
        path: str,
        *,
        expected: tuple[int, ...],
        upload: Path | None = None,
        **options: Any,  # noqa: ANN401 - as httpx has them
    ) -> httpx.Response:
        """Call until there is an answer that does not tell to try again. Raises `GaveUp`."""
        deadline = time.monotonic() + self._patience_seconds
        pause = PAUSE_SECONDS
        trouble = ""
        while time.monotonic() < deadline:
            if upload is not None:
                options["content"] = _pieces(upload)
            try:
                answer = await self._http.request(method, path, **options)
            except httpx.HTTPError as error:
                trouble = repr(error)
            else:
                if answer.status_code in expected:
                    return answer
                trouble = f"{answer.status_code} {answer.text[:300]}"
                await self._consider(answer, f"{method} {path}")
            self.repeats += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        raise GaveUp(f"{method} {path}: {trouble}")

    async def _consider(self, answer: httpx.Response, request: str) -> None:
        if answer.status_code == httpx.codes.UNAUTHORIZED and "login" not in request:
            # A token is good for ten minutes.
            await self._log_in()
        elif answer.status_code not in PASSING:
            self._history.add(Odd(request, answer.status_code, answer.text[:500], time.time()))


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece
