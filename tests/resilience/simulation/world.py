"""Everything that a schedule can touch: processes, requests under way, bus, stores, clients."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from gateway_service.domain import AccountId, ConversionId, Options, Owner, Refusal
from gateway_service.use_cases.upload import Declaration
from notifier_service.letter import Letter
from tonearm_chassis.errors import Outage

from .bus import Bus
from .checker import Checker
from .documents import DocumentServer
from .gates import Fate, Gate, Network
from .loop import PROCESS, Livelock, Process, VirtualLoop
from .media import PIECE, Kind, Shelf, Trouble, make_video
from .services import MAKERS, START, Converter, Gateway, Notifier, Site, prepare

ADA = Owner(AccountId("ada"), "ada@example.org")
GROUPS = {
    "gateway": "tonearm.conversion-events.v1",
    "converter": "tonearm.conversion-requests.v1",
    "notifier": "tonearm.notifications.v1",
}
# What services log when code of ours fails in a way that nobody foresaw.
BUGS = frozenset({"conversion_crashed", "event_failed", "attempt_failed", "attempt_lost"})
MAX_STEPS = 20_000
# Longer than the longest chain of pauses that faults can leave behind.
QUIET_SECONDS = 900.0
# Beyond every age that a sweeper waits for; and the time it then takes.
SWEPT_AFTER_SECONDS = 600.0
SWEEPS_SECONDS = 6.0


class NeverQuiet(AssertionError):
    """Faults ended long ago, and something is still not over."""


@dataclass(eq=False, slots=True)
class Upload:
    """What a client sends, and will send again under the same id until it is answered."""

    request_id: str
    video: bytes
    kind: Kind
    answers: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    seconds_a_piece: float = 0.0


class World:
    """A few processes of every service, and a schedule's hold on all they do."""

    def __init__(
        self,
        counts: dict[str, int],
        skews: list[float] | None = None,
        bugs: list[str] | None = None,
    ) -> None:
        """Start `counts` processes of each service; the n-th has the n-th skew."""
        self.bugs = bugs if bugs is not None else []
        self.loop = VirtualLoop()  # type: ignore[abstract] # nobody calls the rest
        self.network = Network(self.loop)
        self.bus = Bus(self.network, GROUPS)
        self.server = DocumentServer(lambda: START + timedelta(seconds=self.loop.now))
        self.videos = Shelf(lambda: self.loop.now, START)
        self.audio = Shelf(lambda: self.loop.now, START)
        self.faults = 0
        self.mail_is_busy = False
        self.hook_is_busy = False
        self.mails: list[Letter] = []
        self.hooks: list[str] = []
        self.uploads: list[Upload] = []
        self.services: dict[str, Gateway | Converter | Notifier] = {}
        self.down: list[str] = []
        self._dead: list[asyncio.Task[Any]] = []
        self._skews = skews or [0.0]
        self.checker = Checker(self)
        self.trouble = Trouble(self.checker.encodes)
        self.trace: list[str] = []
        asyncio._set_running_loop(self.loop)  # noqa: SLF001 - public by its docstring: for authors of loops
        self._own(prepare(self))
        for service, count in counts.items():
            for number in range(count):
                self.start(f"{service}-{number}")

    def _own(self, work: Coroutine[Any, Any, Any]) -> None:
        self.loop.create_task(work)
        self.loop.run_ready()

    # Processes.

    def run_as(self, process: Process, work: Coroutine[Any, Any, Any]) -> None:
        """Run something as a process."""
        context = copy_context()
        context.run(PROCESS.set, process)
        task = self.loop.create_task(work, context=context)
        task.add_done_callback(self._ended, context=context)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.loop.failures.append(error)

    def start(self, name: str, skew_seconds: float | None = None) -> None:
        """Start a process that does not run."""
        skew = self._skews[len(self.services) % len(self._skews)]
        skew = skew if skew_seconds is None else skew_seconds
        service = name.partition("-")[0]
        process = Process(name, skew)
        context = copy_context()
        context.run(PROCESS.set, process)
        self.services[name] = context.run(MAKERS[service], Site(self, process))
        if name in self.down:
            self.down.remove(name)
        self.loop.run_ready()

    def processes(self) -> list[Process]:
        """List the processes that run, or are stopped."""
        return [each.process for each in self.services.values() if each.process.is_alive]

    def kill(self, process: Process, *, take_requests: bool) -> None:
        """Kill -9; what it asked for may still arrive, unless `take_requests`."""
        # Kept until the end: what the garbage collector makes them do must not come in between.
        self._dead += asyncio.all_tasks(self.loop)
        process.is_alive = False
        self.bus.leave(process)
        self.down.append(process.name)
        self.faults += 1
        if take_requests:
            self.network.forget(process)

    def gateways(self) -> list[Gateway]:
        """List the gateways that take calls."""
        return [
            each
            for each in self.services.values()
            if isinstance(each, Gateway) and each.takes_calls
        ]

    # Clients.

    def begin_upload(self, gateway: Gateway, upload: Upload, cut: int = 0) -> None:
        """Let a client send its video; `cut` pieces never arrive."""
        if upload not in self.uploads:
            self.uploads.append(upload)
        self.run_as(gateway.process, self._upload(gateway, upload, cut))
        self.loop.run_ready()

    async def _upload(self, gateway: Gateway, upload: Upload, cut: int) -> None:
        faults = self.faults
        declared = Declaration(
            "holiday.mp4",
            Options(bitrate_kbps=192),
            size_bytes=len(upload.video),
            request_id=upload.request_id,
        )
        try:
            pieces = _pieces(upload, cut)
            conversion = await gateway.upload(ADA, declared, pieces)
        except Refusal as refusal:
            upload.refusals.append(type(refusal).__name__)
        except Outage as outage:
            self.checker.call_failed(faults, outage)
        else:
            self.checker.accepted(upload, conversion.id)

    def cancel(self, gateway: Gateway, conversion_id: str) -> None:
        """Let its owner call a conversion off."""
        self.checker.cancelling.add(conversion_id)

        async def call() -> None:
            conversion = await gateway.cancel(ADA.account_id, ConversionId(conversion_id))
            self.checker.cancelled(conversion)

        self._call(gateway, call)

    def retry(self, gateway: Gateway, conversion_id: str, request_id: str) -> None:
        """Let its owner repeat a conversion."""

        async def call() -> None:
            conversion = await gateway.retry(ADA, ConversionId(conversion_id), request_id)
            self.checker.retried(conversion, conversion_id, request_id)

        self._call(gateway, call)

    def delete(self, gateway: Gateway, conversion_id: str) -> None:
        """Let its owner delete a conversion."""
        self.checker.deleting.add(conversion_id)

        async def call() -> None:
            await gateway.delete(ADA.account_id, ConversionId(conversion_id))
            self.checker.deleted.add(conversion_id)

        self._call(gateway, call)

    def look(self, gateway: Gateway, conversion_id: str) -> None:
        """Let its owner ask for a conversion, and for its audio if there should be any."""
        was_deleted = conversion_id in self.checker.deleted

        async def call() -> None:
            conversion = await gateway.get(ADA.account_id, ConversionId(conversion_id))
            if was_deleted:
                self.checker.findings.append("a deleted conversion was shown")
            download = await gateway.download(ADA.account_id, conversion.id)
            content = b"".join([piece async for piece in download.pieces])
            self.checker.downloaded(conversion.id, content)

        self._call(gateway, call)

    def _call(self, gateway: Gateway, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        faults = self.faults

        async def calling() -> None:
            try:
                await work()
            except Outage as outage:
                self.checker.call_failed(faults, outage)
            except Refusal:
                return

        self.run_as(gateway.process, calling())
        self.loop.run_ready()

    def mailed(self, letter: Letter) -> None:
        """Keep a mail that arrived."""
        self.mails.append(letter)
        self.checker.mailed(letter)

    def hooked(self, key: str, body: bytes) -> None:
        """Keep what an endpoint was told."""
        self.hooks.append(key)
        self.checker.hooked(key, body)

    # Steps.

    def openable(self) -> list[Gate]:
        """List the requests under way."""
        return self.network.gates

    def open(self, gate: Gate, fate: Fate = Fate.PASSES) -> None:
        """Let one request meet its fate."""
        if fate is not Fate.PASSES or gate.backend in self.network.away:
            self.faults += 1
        self.network.open(gate, fate)
        self.checker.check()

    def step(self, until: float) -> bool:
        """Do the next thing that needs no luck; False if nothing is left to do before `until`."""
        if self.network.gates:
            self.open(self.network.gates[0])
        elif deliverable := self.bus.deliverable():
            self.bus.deliver(deliverable[0])
            self.loop.run_ready()
        elif self.loop.fire(until):
            self.loop.run_ready()
        else:
            return False
        return True

    def step_at_random(self, chance: random.Random) -> None:
        """Let any request or message pass."""
        deliverable = self.bus.deliverable()
        if deliverable and (not self.network.gates or chance.random() < 0.3):
            self.bus.deliver(chance.choice(deliverable), chance.randrange(8))
            self.loop.run_ready()
        elif self.network.gates:
            self.open(chance.choice(self.network.gates))

    def run(self, seconds: float) -> None:
        """Let everything go well for a while."""
        until = self.loop.now + seconds
        for _ in range(MAX_STEPS):
            if not self.step(until):
                return
        raise Livelock(f"{MAX_STEPS} steps in {seconds} s")

    def let_pass(self, seconds: float) -> None:
        """Let time pass while every request hangs."""
        self.faults += 1
        until = self.loop.now + seconds
        while self.loop.fire(until):
            self.loop.run_ready()
        self.checker.check()

    # The end.

    def heal(self) -> None:
        """End all faults: whatever is down comes back, whatever hangs goes on."""
        self.network.away.clear()
        self.mail_is_busy = self.hook_is_busy = False
        self.trouble.next.clear()
        for each in self.services.values():
            if isinstance(each, Converter):
                each.disk.is_full = False
            if each.process.is_stopped:
                self.loop.resume(each.process)
        for name in list(self.down):
            self.start(name)
        self.loop.run_ready()

    def settle(self) -> None:
        """Let everything come to rest; raise `NeverQuiet` if it does not."""
        self.heal()
        while not self.gateways():
            self.step(self.loop.now + 1.0)
        for upload in self.uploads:
            upload.seconds_a_piece = 0.0
            if not upload.answers and not upload.refusals:
                self.begin_upload(self.gateways()[0], upload)
        until = self.loop.now + QUIET_SECONDS
        while self.loop.now < until:
            self.run(1.0)
            if not self.checker.unfinished():
                break
        else:
            raise NeverQuiet("; ".join(self.checker.unfinished()))
        self.checker.check_rest()
        self._sweep()
        self.checker.check_swept()

    def _sweep(self) -> None:
        """Let so much time pass that whatever was left behind is old, then let all be swept."""
        for process in self.processes():
            self.kill(process, take_requests=True)
        self.run(SWEPT_AFTER_SECONDS)
        self.start("gateway-0")
        self.start("converter-0")
        self.run(SWEEPS_SECONDS)

    def close(self) -> None:
        """End everything."""
        for each in self.services.values():
            each.process.is_alive = False
        self.loop.close()
        asyncio._set_running_loop(None)  # noqa: SLF001 - as above


async def _pieces(upload: Upload, cut: int) -> AsyncIterator[bytes]:
    video = upload.video
    pieces = [video[start : start + PIECE] for start in range(0, len(video), PIECE)]
    for piece in pieces[: len(pieces) - cut]:
        if upload.seconds_a_piece:
            await asyncio.sleep(upload.seconds_a_piece)
        yield piece


@contextmanager
def determined(seed: int) -> Iterator[list[str]]:
    """Let ids and chances depend on nothing but `seed`; give what logs say of our own bugs."""
    chance = random.Random(seed)
    before, state = uuid.uuid4, random.getstate()
    uuid.__dict__["uuid4"] = lambda: uuid.UUID(int=chance.getrandbits(128), version=4)
    random.seed(seed)
    bugs: list[str] = []

    def note(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
        if event["event"] in BUGS:
            bugs.append(f"{event['event']}: {event.get('exc_info')!r}")
        raise structlog.DropEvent

    logs, quiet = structlog.get_config(), logging.root.manager.disable
    logging.disable()  # OpenTelemetry complains of how dead processes end
    structlog.configure(
        processors=[note], wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=False
    )
    try:
        yield bugs
    finally:
        uuid.__dict__["uuid4"] = before
        random.setstate(state)
        structlog.configure(**logs)
        logging.disable(quiet)


def upload_of(number: int, kind: Kind, seconds_a_piece: float = 0.0) -> Upload:
    """Make an upload that no other is like."""
    video = make_video(number, kind)
    return Upload(request_id_of(number + 1), video, kind, seconds_a_piece=seconds_a_piece)


def request_id_of(number: int) -> str:
    """Make an id for a request."""
    return str(uuid.UUID(int=number, version=4))
