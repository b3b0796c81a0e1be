"""Send events to Kafka: idempotent producer, acks=all, rebuilt after any failure."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import closing, suppress
from functools import partial
from typing import Any

from kafka import KafkaProducer
from kafka.errors import InvalidTopicError, KafkaError, MessageSizeTooLargeError

from tonearm_chassis import metrics
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import UnsendableEvent
from tonearm_chassis.kafka_clients import open_client
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.kafka_topics import TopicAdmin
from tonearm_chassis.threads import in_thread

# Connecting, topics, metadata and delivery: each may take all of the patience.
STEPS_OF_A_SEND = 4
CLOSE_SECONDS = 2.0
SENDS_AT_ONCE = 16  # each has a thread
# What kafka-python trips over when the partitions of a topic vanish while it chooses one of them.
LOST_ITS_TOPIC = (ValueError, TypeError, ZeroDivisionError)


class KafkaEventProducer:
    """An `EventProducer` over kafka-python, which blocks and therefore runs in threads."""

    def __init__(self, access: KafkaAccess, topics: tuple[str, ...]) -> None:
        """Prepare to send to `topics`; connects at the first `send`."""
        self._access = access
        self._topics = topics
        self._lock = threading.Lock()
        self._producer: Any = None
        self._delivery_seconds = access.patience_seconds
        self._send_seconds = access.patience_seconds * STEPS_OF_A_SEND
        self._places = asyncio.Semaphore(SENDS_AT_ONCE)

    async def send(self, topic: str, envelope: Envelope) -> None:
        """Send an event and wait for all in-sync replicas; see `EventProducer`."""
        try:
            async with asyncio.timeout(self._send_seconds), self._places:
                await in_thread(partial(self._send, topic, envelope), "kafka-send")
        except TimeoutError:
            raise Outage(f"kafka: nothing came within {self._send_seconds:.0f} s") from None
        metrics.EVENTS_PUBLISHED.labels(envelope.type).inc()

    async def close(self) -> None:
        """Send what is under way and disconnect; gives up after `CLOSE_SECONDS`."""
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            closing_down = in_thread(partial(_close, producer, self._send_seconds), "kafka-close")
            await asyncio.wait([closing_down], timeout=CLOSE_SECONDS)

    def _send(self, topic: str, envelope: Envelope) -> None:
        producer = self._connected()
        try:
            producer.send(
                topic,
                key=envelope.key.encode(),
                value=envelope.payload,
                headers=envelope.headers(),
            ).get(timeout=self._delivery_seconds)
        except (MessageSizeTooLargeError, InvalidTopicError) as error:
            raise UnsendableEvent(repr(error)) from error
        except (KafkaError, *LOST_ITS_TOPIC) as error:
            # A broker that was wiped answers UnknownProducerId for ever, and a lost topic is
            # only found by asking again: a new producer costs little, so any failure makes one.
            self._replace(producer)
            raise Outage(f"kafka: {error!r}") from error

    def _connected(self) -> Any:  # noqa: ANN401 - kafka-python has no types
        # Somebody else is connecting: waiting longer than that takes would only pile up threads.
        if not self._lock.acquire(timeout=self._delivery_seconds):
            raise Outage("kafka: still connecting")
        try:
            if self._producer is None:
                with closing(TopicAdmin(self._access)) as admin:
                    admin.ensure(self._topics)
                self._producer = self._open()
            return self._producer
        finally:
            self._lock.release()

    def _open(self) -> Any:  # noqa: ANN401 - kafka-python has no types
        return open_client(
            KafkaProducer,
            self._access,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_block_ms=int(self._delivery_seconds * 1000),
            delivery_timeout_ms=int(self._delivery_seconds * 1000),
        )

    def _replace(self, failed: Any) -> None:  # noqa: ANN401 - kafka-python has no types
        with self._lock:
            if self._producer is not failed:
                return  # another thread saw it first; the new one is not to blame
            self._producer = None
        # Elsewhere: closing waits for what others have under way in it.
        threading.Thread(
            target=_close, args=(failed, self._send_seconds), name="kafka-close", daemon=True
        ).start()


def _close(producer: Any, seconds: float) -> None:  # noqa: ANN401 - kafka-python has no types
    # Closing raises what it cannot flush, and leaves the producer and its thread as they were:
    # it only succeeds once everything is sent, or too old to be.
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(KafkaError):
            producer.close(timeout=CLOSE_SECONDS)
            return
