"""A bus that delivers late, twice, out of order, or not at all, as the schedule wants."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tonearm_chassis.dead_letters import DeadLetters
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventHandler

from .gates import Network
from .loop import Process

BACKEND = "bus"


@dataclass(eq=False, slots=True)
class Message:
    """What lies in a topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    offset: int
    partition: int = 0


@dataclass(eq=False, slots=True)
class Consumer:
    """A member of a group that waits for its next message, or works on one."""

    process: Process
    group: str
    waiting: asyncio.Future[Message] | None = None
    working: Message | None = None

    @property
    def is_free(self) -> bool:
        """Tell whether it could take a message now."""
        return (
            self.process.is_alive
            and not self.process.is_stopped
            and self.waiting is not None
            and not self.waiting.done()
        )


class Bus:
    """Topics, and the groups that read them."""

    def __init__(self, network: Network, groups: dict[str, str]) -> None:
        """Let each group read its topic."""
        self._network = network
        self._groups = groups
        self._offsets = itertools.count()
        self.queues: dict[str, list[Message]] = {group: [] for group in groups}
        self.consumers: list[Consumer] = []
        self.dead_letters: list[Envelope] = []
        self.generation = 0

    def put(self, topic: str, envelope: Envelope) -> None:
        """Append an event to a topic."""
        message = Message(
            topic,
            envelope.key.encode(),
            envelope.payload,
            envelope.headers(),
            next(self._offsets),
        )
        readers = [group for group, read in self._groups.items() if read == topic]
        for group in readers:
            self.queues[group].append(message)
        if not readers:
            self.dead_letters.append(envelope)

    def deliverable(self) -> list[Consumer]:
        """List consumers that are free while a message waits for their group."""
        if BACKEND in self._network.away:
            return []
        return [each for each in self.consumers if each.is_free and self.queues[each.group]]

    def deliver(self, consumer: Consumer, number: int = 0, *, again: bool = False) -> None:
        """Hand a message of its group to a consumer; `again` keeps it for another time."""
        queue = self.queues[consumer.group]
        message = queue[number % len(queue)]
        if not again:
            queue.remove(message)
        if consumer.waiting is not None:
            consumer.working = message
            consumer.waiting.set_result(message)

    def shuffle(self, group: str, number: int) -> None:
        """Move a message to the end of its queue."""
        if queue := self.queues[group]:
            queue.append(queue.pop(number % len(queue)))

    def return_work(self, process: Process) -> None:
        """Give what a process was working on to the others: it is gone, or seems so."""
        for consumer in self.consumers:
            if consumer.process is process and consumer.working is not None:
                self.queues[consumer.group].insert(0, consumer.working)
                consumer.working = None

    def leave(self, process: Process) -> None:
        """Forget the consumers of a process that is gone."""
        self.return_work(process)
        self.consumers = [each for each in self.consumers if each.process is not process]

    def wipe(self) -> None:
        """Lose every topic and every offset."""
        self.generation += 1
        for queue in self.queues.values():
            queue.clear()
        for consumer in self.consumers:
            consumer.working = None

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is under way."""
        return not any(self.queues.values()) and not any(each.working for each in self.consumers)


class SimulatedProducer:
    """An `EventProducer` of one process."""

    def __init__(self, bus: Bus, network: Network) -> None:
        """Send to `bus` through `network`."""
        self._bus = bus
        self._network = network

    async def send(self, topic: str, envelope: Envelope) -> None:
        """Send, if the schedule lets it pass."""

        async def effect() -> None:
            self._bus.put(topic, envelope)

        name = f"send.{envelope.type.rpartition('.')[2]}"
        await self._network.ask(BACKEND, name, effect, lambda: Outage("bus: cut"))


async def consume(
    bus: Bus, consumer: Consumer, handler: EventHandler, dead_letters: DeadLetters
) -> None:
    """Take one message after the other, as the real consumer does."""
    bus.consumers.append(consumer)
    loop = asyncio.get_running_loop()
    while True:
        consumer.waiting = loop.create_future()
        message = await consumer.waiting
        try:
            envelope = Envelope.from_record(message.key, message.value, message.headers)
        except MalformedEvent as error:
            await dead_letters.bury_record(message, repr(error))
        else:
            await dead_letters.guard(message, envelope, handler)
        consumer.working = None


async def watch_generation(
    bus: Bus,
    sleep: Callable[[float], Coroutine[Any, Any, None]],
    on_replaced: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Call `on_replaced` soon after the bus was wiped, as a reader that knows its topics does."""
    known = bus.generation
    while True:
        await sleep(1.0)
        if bus.generation != known:
            try:
                generation = bus.generation
                await on_replaced()
                known = generation
            except Outage:
                continue
