"""Send events to Kafka: idempotent producer, acks=all, rebuilt after any failure."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from tonearm_chassis import metrics
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.kafka_topics import ensure_topics

DELIVERY_SECONDS = 10.0
# What kafka-python blocks for on top of the delivery: connecting and fetching metadata.
SEND_SECONDS = 2 * DELIVERY_SECONDS


class KafkaEventProducer:
    """An `EventProducer` over kafka-python, which blocks and therefore runs in threads."""

    def __init__(self, access: KafkaAccess, topics: tuple[str, ...]) -> None:
        """Prepare to send to `topics`; connects at the first `send`."""
        self._access = access
        self._topics = topics
        self._lock = threading.Lock()
        self._producer: Any = None
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="kafka-producer")

    async def send(self, topic: str, envelope: Envelope) -> None:
        """Send an event and wait for all in-sync replicas; see `EventProducer`."""
        loop = asyncio.get_running_loop()
        sending = loop.run_in_executor(self._threads, self._send, topic, envelope)
        try:
            await asyncio.wait_for(sending, SEND_SECONDS)
        except TimeoutError:
            message = f"kafka: no acknowledgement within {SEND_SECONDS:.0f} s"
            raise Outage(message) from None
        metrics.EVENTS_PUBLISHED.labels(envelope.type).inc()

    async def close(self) -> None:
        """Send what is under way and disconnect; bounded by the delivery timeout."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._drop)
        self._threads.shutdown(wait=False)

    def _send(self, topic: str, envelope: Envelope) -> None:
        try:
            self._connected().send(
                topic,
                key=envelope.key.encode(),
                value=envelope.payload,
                headers=envelope.headers(),
            ).get(timeout=DELIVERY_SECONDS)
        except KafkaError as error:
            # A broker that was wiped answers UnknownProducerId for ever, and a lost topic is
            # only found by asking again: a new producer costs little, so any failure makes one.
            self._drop()
            message = f"kafka: {error!r}"
            raise Outage(message) from error

    def _connected(self) -> Any:
        with self._lock:
            if self._producer is None:
                ensure_topics(self._access, self._topics)
                self._producer = KafkaProducer(
                    **self._access.client_options(),
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    max_block_ms=int(DELIVERY_SECONDS * 1000),
                    delivery_timeout_ms=int(DELIVERY_SECONDS * 1000),
                )
            return self._producer

    def _drop(self) -> None:
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=1)
