"""Take events from Kafka, one at a time, and hand them to an async handler."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from contextlib import closing, suppress
from functools import partial
from typing import Any

import structlog
from kafka.errors import KafkaError

from tonearm_chassis import tracing
from tonearm_chassis.dead_letters import DeadLetters
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventHandler
from tonearm_chassis.kafka_reader import BrokerReplaced, KafkaReader, Reading, Signals
from tonearm_chassis.kafka_recovery import Hook, Recovery
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.letters import Record
from tonearm_chassis.logs import get_log
from tonearm_chassis.threads import in_thread

log = get_log(__name__)

REOPEN_SECONDS = 0.5
CLOSE_SECONDS = 2.0


class Abandoned(Exception):
    """The drain is over: the event under way is given up and will come again."""


class KafkaEventConsumer:
    """A `Background` that reads topics from its own thread.

    An event's offset is committed when the handler has returned. While a handler runs, its
    partitions are paused and polling goes on, so that a slow handler never costs the membership.
    """

    def __init__(  # noqa: PLR0913 - what is read, what is done with it, and what if it is lost
        self,
        access: KafkaAccess,
        *,
        group: str,
        topics: tuple[str, ...],
        handler: EventHandler,
        dead_letters: DeadLetters,
        on_replaced: Hook | None = None,
        also_watched: tuple[str, ...] = (),
    ) -> None:
        """Read `topics` as `group`; unreadable or failing events go to `dead_letters`.

        Topics that are lost, be it these or those in `also_watched`, are created again within
        seconds. `on_replaced` is called, in the loop, whenever events may have been lost with
        them or with a broker that was away: once the consumer takes part again, and once at the
        start, for what was lost while nobody looked. It may be called for nothing, and is called
        again after an `Outage`.
        """
        self._access = access
        self._group = group
        self._reading = Reading(group, topics, also_watched)
        self._interrupted = True
        self._recovery = Recovery(on_replaced or _nothing)
        self._handler = handler
        self._dead_letters = dead_letters
        self._stop = threading.Event()
        self._abandoned = threading.Event()
        self.assigned = asyncio.Event()
        """Set once this consumer first takes part: the service is ready to pick up work."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until `stopping` is set; the event under way is finished first.

        Cancelled, it gives the event under way up, to come again, and returns soon.
        """
        loop = asyncio.get_running_loop()
        thread: asyncio.Future[Any] = in_thread(
            partial(self._consume_for_ever, loop), f"kafka-{self._group}"
        )
        stop: asyncio.Future[Any] = asyncio.create_task(stopping.wait())
        recovering = asyncio.create_task(self._recovery.run())
        try:
            await asyncio.wait([thread, stop], return_when=asyncio.FIRST_COMPLETED)
            self._stop.set()
            await asyncio.shield(thread)
        finally:
            stop.cancel()
            recovering.cancel()
            self._stop.set()
            self._abandoned.set()
            await asyncio.wait([thread, recovering], timeout=CLOSE_SECONDS)

    def _consume_for_ever(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stop.is_set():
            try:
                self._consume(loop)
            except Abandoned:
                return
            except (KafkaError, Outage, BrokerReplaced) as error:
                log.warning("consumer_reopened", group=self._group, cause=repr(error))
                self._interrupted = True
                self._stop.wait(REOPEN_SECONDS)

    def _consume(self, loop: asyncio.AbstractEventLoop) -> None:
        signals = Signals(
            assigned=partial(self._take_part, loop),
            returned=partial(_tell, loop, self._recovery.due),
        )
        with closing(KafkaReader(self._access, self._reading, signals)) as reader:
            for record in reader.records(self._stop.is_set):
                work = asyncio.run_coroutine_threadsafe(self._apply(record), loop)
                if not reader.stay_until_done(work, self._abandoned.is_set):
                    work.cancel()
                    raise Abandoned(self._group)
                try:
                    work.result()
                except CancelledError:  # the loop ends, and its tasks with it
                    raise Abandoned(self._group) from None
                reader.commit(record)

    def _take_part(self, loop: asyncio.AbstractEventLoop) -> None:
        _tell(loop, self.assigned)
        if self._interrupted:
            self._interrupted = False
            _tell(loop, self._recovery.due)

    async def _apply(self, record: Record) -> None:
        try:
            envelope = Envelope.from_record(record.key, record.value, record.headers)
        except MalformedEvent as error:
            await self._dead_letters.bury_record(record, repr(error))
            return
        with (
            tracing.span(envelope.type, {"traceparent": envelope.traceparent}) as trace_id,
            structlog.contextvars.bound_contextvars(
                trace_id=trace_id, event_id=envelope.id, conversion_id=envelope.key
            ),
        ):
            await self._dead_letters.guard(record, envelope, self._handler)


def _tell(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(event.set)


def _nothing() -> None:
    """Recover from nothing."""
