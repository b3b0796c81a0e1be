"""A running stack, a caller of it, and what its services have spent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rest_client import RestClient, pieces_of

from tonearm_local.stack import Stack

from .processes import Spent, spent

SERVICES = ("auth", "gateway", "converter", "notifier")
CALL_SECONDS = 600.0
PATIENCE_SECONDS = 60.0
# An idle stack takes a tenth of a processor: brokers and clients ask one another for news.
QUIET_SHARE, QUIET_SECONDS = 0.2, 1.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A conversion that was accepted, and when; seconds of `time.perf_counter`."""

    conversion: str
    last_byte: float
    answered: float


class Running:
    """The embedded stack with one caller, who is logged in."""

    def __init__(self, stack: Stack, caller: RestClient) -> None:
        self._stack = stack
        self._caller = caller
        self._account = caller.register()
        states = stack.states()
        self.pids = {part: states[part].pid for part in states}
        self.login()

    def login(self) -> None:
        """Get a new token; they do not live long."""
        self._caller.login(self._account)

    def upload(self, video: Path) -> Upload:
        """Upload a file through Envoy; its last byte is sent when the kernel has taken it."""
        last_byte = 0.0

        def pieces() -> Iterator[bytes]:
            nonlocal last_byte
            yield from pieces_of(video)
            last_byte = time.perf_counter()

        answer = self._caller.http.post(
            "/v1/conversions",
            params={"filename": "film.mp4"},
            content=pieces(),
            headers={"content-length": str(video.stat().st_size)},
        )
        answered = time.perf_counter()
        assert answer.status_code == 201, answer.text
        return Upload(answer.json()["conversion"]["id"], last_byte, answered)

    def await_success(self, upload: Upload) -> float:
        """Watch a conversion to its end, as a caller does; tell when that was."""
        *_, last = self._caller.watch(upload.conversion)
        ended = time.perf_counter()
        assert last["state"] == "SUCCEEDED", last
        return ended

    def clear(self, upload: Upload) -> None:
        """Delete a conversion, and wait until nobody has anything to do any more."""
        answer = self._caller.http.delete(f"/v1/conversions/{upload.conversion}")
        assert answer.is_success, answer.text
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            before = self._all_spent()
            time.sleep(QUIET_SECONDS)
            if self._all_spent() - before < QUIET_SHARE * QUIET_SECONDS:
                return

    def services_spent(self) -> Spent:
        """Add up what the four services have spent so far."""
        each = [spent(self.pids[service]) for service in SERVICES]
        return Spent(sum(it.own for it in each), sum(it.reaped for it in each))

    def _all_spent(self) -> float:
        return sum(spent(pid).own for pid in self.pids.values())


@contextmanager
def running(directory: Path) -> Iterator[Running]:
    """Run the embedded stack for a block; nothing of it stays on the disk."""
    with (
        TemporaryDirectory(dir=directory) as place,
        Stack(Path(place)) as stack,
        RestClient(stack.url) as caller,
    ):
        caller.http.timeout = CALL_SECONDS
        yield Running(stack, caller)
