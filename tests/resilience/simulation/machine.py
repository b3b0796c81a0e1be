"""Let Hypothesis write the schedules: which process, which request, which fault comes next."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from .gates import Fate
from .loop import Process
from .media import Kind
from .world import World, determined, request_id_of, upload_of

NUMBERS = st.integers(0, 30)
SECONDS = st.sampled_from([0.3, 1.0, 3.0, 9.0])
HANGS = st.sampled_from([1.0, 4.0, 16.0, 45.0])
BACKENDS = st.sampled_from(["store", "bus", "videos", "audio", "mail", "hook"])
TROUBLES = st.sampled_from(["fails", "stops short"])
KINDS = st.sampled_from([Kind.SHORT, Kind.LONG, Kind.LONG, Kind.SILENT])
FATES = st.sampled_from([*Fate])
MAX_UPLOADS = 3
MAX_CONVERSIONS = 5


class Schedule(RuleBasedStateMachine):
    """One schedule: what happens to a small world, until all faults end and it comes to rest."""

    count = 0

    def __init__(self) -> None:
        """Begin with nothing; `build` makes the world."""
        super().__init__()
        self._stack = ExitStack()
        self._is_broken = False
        self.world: World | None = None

    @contextmanager
    def _watched(self) -> Iterator[World]:
        """Give the world; remember if the schedule broke it, so that the end is not tried."""
        if self.world is None:
            raise LookupError("there is no world yet")
        try:
            yield self.world
        except BaseException:
            self._is_broken = True
            raise

    @initialize(
        gateways=st.sampled_from([1, 2]),
        converters=st.sampled_from([2, 1, 2, 3]),
        notifiers=st.sampled_from([1, 1, 2]),
        skews=st.lists(st.sampled_from([0.0, -3600.0, 3600.0, 7.5]), min_size=1, max_size=3),
        kind=KINDS,
    )
    def build(
        self, gateways: int, converters: int, notifiers: int, skews: list[float], kind: Kind
    ) -> None:
        """Make a world, and a client that sends a first video."""
        type(self).count += 1
        bugs = self._stack.enter_context(determined(0))
        counts = {"gateway": gateways, "converter": converters, "notifier": notifiers}
        self.world = World(counts, skews, bugs)
        self._stack.callback(self.world.close)
        while len(self.world.gateways()) < gateways:
            self.world.step(0.0)
        self.upload(kind, 0, cut=0)

    def teardown(self) -> None:
        """End all faults and see that everything comes to rest as it must."""
        with self._stack:
            if self.world is not None and not self._is_broken:
                self.world.settle()

    # Clients.

    @rule(
        kind=KINDS,
        number=NUMBERS,
        cut=st.sampled_from([0, 0, 0, 1]),
        seconds_a_piece=st.sampled_from([0.0, 0.0, 15.0]),
    )
    def upload(self, kind: Kind, number: int, cut: int, seconds_a_piece: float = 0.0) -> None:
        """A client sends a video, fast or slowly; with `cut`, its end is lost on the way."""
        with self._watched() as world:
            gateways = world.gateways()
            if gateways and len(world.uploads) < MAX_UPLOADS:
                upload = upload_of(len(world.uploads), kind, seconds_a_piece)
                world.begin_upload(gateways[number % len(gateways)], upload, cut)

    @precondition(lambda self: self.world and self.world.uploads)
    @rule(which=NUMBERS, number=NUMBERS)
    def repeat_upload(self, which: int, number: int) -> None:
        """A client that heard nothing, or has forgotten, sends its video again."""
        with self._watched() as world:
            if gateways := world.gateways():
                upload = world.uploads[which % len(world.uploads)]
                world.begin_upload(gateways[number % len(gateways)], upload)

    @precondition(lambda self: self.world and self.world.checker.accepted_by)
    @rule(
        what=st.sampled_from(["cancel", "cancel", "retry", "delete", "look", "look"]),
        which=NUMBERS,
        number=NUMBERS,
    )
    def wish(self, what: str, which: int, number: int) -> None:
        """An owner asks something of a conversion, or for it."""
        with self._watched() as world:
            known = list(world.checker.accepted_by)
            if what == "cancel":
                known = world.checker.running() or known
            if not (gateways := world.gateways()):
                return
            gateway, key = gateways[number % len(gateways)], known[which % len(known)]
            if what == "retry":
                if len(known) < MAX_CONVERSIONS:
                    world.retry(gateway, key, request_id_of(100 + which))
            else:
                getattr(world, what)(gateway, key)

    # Requests.

    @precondition(lambda self: self.world and self.world.network.gates)
    @rule(number=NUMBERS, fate=FATES)
    def decide(self, number: int, fate: Fate) -> None:
        """One of the requests under way meets its fate."""
        with self._watched() as world:
            gates = world.openable()
            world.open(gates[number % len(gates)], fate)

    @rule(seed=NUMBERS, steps=st.integers(1, 20))
    def shuffle(self, seed: int, steps: int) -> None:
        """Requests and messages pass, in any order."""
        chance = random.Random(seed)
        with self._watched() as world:
            for _ in range(steps):
                world.step_at_random(chance)

    @rule(seconds=SECONDS)
    def run(self, seconds: float) -> None:
        """Everything goes well for a while."""
        with self._watched() as world:
            world.run(seconds)

    @rule(seconds=HANGS)
    def hang(self, seconds: float) -> None:
        """Time passes, and no request gets an answer."""
        with self._watched() as world:
            world.let_pass(seconds)

    # Processes.

    def _process(self, world: World, number: int, *, is_busy: bool) -> Process | None:
        # A process that converts is worth more: what it leaves behind is what others take over.
        busy = [each for each in world.trouble.workers() if not each.is_stopped]
        processes = busy if is_busy and busy else world.processes()
        return processes[number % len(processes)] if processes else None

    @rule(number=NUMBERS, is_busy=st.booleans(), take_requests=st.booleans())
    def kill(self, number: int, *, is_busy: bool, take_requests: bool) -> None:
        """Kill -9; its requests may still arrive."""
        with self._watched() as world:
            if process := self._process(world, number, is_busy=is_busy):
                world.kill(process, take_requests=take_requests)

    @precondition(lambda self: self.world and self.world.down)
    @rule(number=NUMBERS)
    def start(self, number: int) -> None:
        """A process that was killed comes back."""
        with self._watched() as world:
            world.start(world.down[number % len(world.down)])

    @rule(number=NUMBERS, is_busy=st.booleans())
    def stop(self, number: int, *, is_busy: bool) -> None:
        """SIGSTOP, or SIGCONT if it was stopped."""
        with self._watched() as world:
            if process := self._process(world, number, is_busy=is_busy):
                if process.is_stopped:
                    world.loop.resume(process)
                    world.loop.run_ready()
                else:
                    world.faults += 1
                    process.is_stopped = True

    @precondition(lambda self: self.world and self.world.trouble.workers())
    @rule(seconds=st.sampled_from([16.0, 22.0]), is_back=st.booleans())
    def oversleep(self, seconds: float, *, is_back: bool) -> None:
        """A worker stands still for longer than its lease, while all others go on."""
        with self._watched() as world:
            process = world.trouble.workers()[0]
            world.faults += 1
            process.is_stopped = True
            world.run(seconds)
            if is_back:
                world.loop.resume(process)
                world.loop.run_ready()

    # Stores and the bus.

    @rule(backend=BACKENDS)
    def go_away(self, backend: str) -> None:
        """A part goes away, or comes back."""
        with self._watched() as world:
            world.faults += 1
            world.network.away ^= {backend}

    @rule()
    def wipe(self) -> None:
        """The bus loses all it has."""
        with self._watched() as world:
            world.bus.wipe()

    @precondition(lambda self: self.world and self.world.bus.deliverable())
    @rule(number=NUMBERS, which=NUMBERS, again=st.booleans())
    def deliver(self, number: int, which: int, *, again: bool) -> None:
        """A message arrives, out of turn, and perhaps not for the last time."""
        with self._watched() as world:
            consumers = world.bus.deliverable()
            world.bus.deliver(consumers[number % len(consumers)], which, again=again)
            world.loop.run_ready()

    @rule(number=NUMBERS)
    def rebalance(self, number: int) -> None:
        """The bus takes a process for dead and gives its work to others."""
        with self._watched() as world:
            if process := self._process(world, number, is_busy=False):
                world.bus.return_work(process)

    # The engine and the mail server.

    @rule(trouble=TROUBLES)
    def break_engine(self, trouble: str) -> None:
        """The next engine that ends does something wrong."""
        with self._watched() as world:
            if world.trouble.made < MAX_TROUBLES:
                world.faults += 1
                world.trouble.made += 1
                world.trouble.next.append(trouble)

    @rule()
    def busy_mail(self) -> None:
        """The mail server takes nothing, or does again."""
        with self._watched() as world:
            world.mail_is_busy = not world.mail_is_busy

    @rule()
    def busy_hook(self) -> None:
        """The endpoint of the owner takes nothing, or does again."""
        with self._watched() as world:
            world.hook_is_busy = not world.hook_is_busy


# A conversion survives so many, and that it does is at stake here.
MAX_TROUBLES = 2
