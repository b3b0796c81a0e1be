"""Take events from Kafka, one at a time, and hand them to an async handler."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from tonearm_chassis import tracing
from tonearm_chassis.dead_letters import DeadLetters
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventHandler
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.kafka_topics import ensure_topics, topic_ids
from tonearm_chassis.logs import get_log

log = get_log(__name__)

POLL_MS = 200
REOPEN_SECONDS = 1.0
WIPE_CHECK_SECONDS = 3.0


class BrokerReplaced(Exception):
    """The topics are not the ones this consumer subscribed to: positions mean nothing now."""


class Abandoned(Exception):
    """The drain is over: the event under way is given up and will come again."""


class KafkaEventConsumer:
    """A `Background` that reads topics from its own thread.

    An event's offset is committed when the handler has returned. While a handler runs, its
    partitions are paused and polling goes on, so that a slow handler never costs the membership.
    """

    def __init__(
        self,
        access: KafkaAccess,
        *,
        group: str,
        topics: tuple[str, ...],
        handler: EventHandler,
        dead_letters: DeadLetters,
    ) -> None:
        """Read `topics` as `group`; unreadable or failing events go to `dead_letters`."""
        self._access = access
        self._group = group
        self._topics = topics
        self._handler = handler
        self._dead_letters = dead_letters
        self._stop = threading.Event()
        self._abandoned = threading.Event()
        self.assigned = asyncio.Event()
        """Set once partitions are first assigned: the service is ready to pick up work."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until `stopping` is set; the event under way is finished first."""
        loop = asyncio.get_running_loop()
        thread: asyncio.Future[Any] = loop.run_in_executor(None, self._consume_for_ever, loop)
        stop: asyncio.Future[Any] = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({thread, stop}, return_when=asyncio.FIRST_COMPLETED)
            self._stop.set()
            await asyncio.shield(thread)
        finally:
            stop.cancel()
            self._stop.set()
            self._abandoned.set()
            await thread

    def _consume_for_ever(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stop.is_set():
            try:
                self._consume(loop)
            except Abandoned:
                return
            except (KafkaError, Outage, BrokerReplaced) as error:
                log.warning("consumer_reopened", group=self._group, cause=repr(error))
                self._stop.wait(REOPEN_SECONDS)

    def _consume(self, loop: asyncio.AbstractEventLoop) -> None:
        ids = ensure_topics(self._access, self._topics)
        with closing(self._open()) as consumer:
            for record in self._records(consumer, ids, loop):
                running = asyncio.run_coroutine_threadsafe(self._apply(record), loop)
                self._wait(consumer, running)
                partition = TopicPartition(record.topic, record.partition)
                consumer.commit({partition: OffsetAndMetadata(record.offset + 1, "", -1)})

    def _open(self) -> Any:
        consumer = KafkaConsumer(
            **self._access.client_options(),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=1,
            fetch_max_wait_ms=POLL_MS,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
        )
        if self._access.assignment == "group":
            consumer.subscribe(list(self._topics))
        else:
            consumer.assign(
                [
                    TopicPartition(topic, number)
                    for topic in self._topics
                    for number in consumer.partitions_for_topic(topic) or ()
                ]
            )
        return consumer

    def _records(
        self, consumer: Any, ids: dict[str, str], loop: asyncio.AbstractEventLoop
    ) -> Iterator[Any]:
        checked = time.monotonic()
        while not self._stop.is_set():
            batches = consumer.poll(timeout_ms=POLL_MS, max_records=1)
            if consumer.assignment() and not self.assigned.is_set():
                loop.call_soon_threadsafe(self.assigned.set)
            for batch in batches.values():
                yield from batch
            if time.monotonic() - checked > WIPE_CHECK_SECONDS:
                # A replaced broker raises nothing here: the old position just never fills.
                if topic_ids(self._access, self._topics) != ids:
                    raise BrokerReplaced(self._group)
                checked = time.monotonic()

    def _wait(self, consumer: Any, running: Future[None]) -> None:
        """Wait for the handler, polling all the while; raise what it raised."""
        try:
            while not self._abandoned.is_set():
                if wait([running], timeout=POLL_MS / 1000).done:
                    return running.result()
                self._keep_membership(consumer)
            running.cancel()
            raise Abandoned(self._group)
        finally:
            consumer.resume(*consumer.paused())

    def _keep_membership(self, consumer: Any) -> None:
        consumer.pause(*consumer.assignment())
        # A rebalance may hand over partitions that are not paused yet: put their records back.
        for partition, batch in consumer.poll(timeout_ms=0).items():
            consumer.seek(partition, batch[0].offset)

    async def _apply(self, record: Any) -> None:
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
