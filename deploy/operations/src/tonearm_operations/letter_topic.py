"""Walk over the dead letters from the first to the last there is now, and send records. Blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_clients import open_client, outages
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.kafka_topics import TopicAdmin
from tonearm_operations.letters import LETTERS_TOPIC, Letter, Original

POLL_MS = 500
BATCH = 100
CLOSE_SECONDS = 2.0
SILENCE_SECONDS = 20.0
"""How long the broker may give nothing although there is more."""


class LetterTopic:
    """The dead letters, read without a group: nobody's position changes."""

    def __init__(
        self, access: KafkaAccess, *, topic: str = LETTERS_TOPIC, silence: float = SILENCE_SECONDS
    ) -> None:
        """Reach them at `access`; connects at first use."""
        self._access = access
        self._topic = topic
        self._silence = silence

    def letters(self) -> Iterator[Letter]:
        """Give every letter there is at the first call, the oldest of each partition first.

        A topic that does not exist has none. Raises `Outage` if the broker is away, or stops
        giving records.
        """
        with closing(TopicAdmin(self._access)) as admin:
            found = admin.topics([self._topic])
        if self._topic not in found:
            return
        partitions = [TopicPartition(self._topic, each) for each in found[self._topic].partitions]
        with self._consumer() as consumer, outages():
            consumer.assign(partitions)
            for partition, offset in consumer.beginning_offsets(partitions).items():
                consumer.seek(partition, offset)
            for record in records_up_to(
                consumer, consumer.end_offsets(partitions), silence_seconds=self._silence
            ):
                yield Letter.read(record)

    @contextmanager
    def _consumer(self) -> Iterator[Any]:
        consumer = open_client(
            KafkaConsumer,
            self._access,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MS,
        )
        try:
            yield consumer
        finally:
            with suppress(KafkaError):
                consumer.close(timeout_ms=int(CLOSE_SECONDS * 1000))


def records_up_to(consumer: Any, ends: dict[Any, int], *, silence_seconds: float) -> Iterator[Any]:  # noqa: ANN401 - kafka-python has no types
    """Give the records below these ends. Raises `Outage` if none comes for so long."""
    heard = time.monotonic()
    while left := [each for each, end in ends.items() if _position(consumer, each) < end]:
        batches = consumer.poll(timeout_ms=POLL_MS, max_records=BATCH)
        if batches:
            heard = time.monotonic()
        elif time.monotonic() - heard >= silence_seconds:
            raise Outage(f"kafka: nothing came from {sorted(each.partition for each in left)}")
        for partition, batch in batches.items():
            yield from (record for record in batch if record.offset < ends[partition])


def _position(consumer: Any, partition: Any) -> int:  # noqa: ANN401 - as above
    # None while it is being looked up.
    return consumer.position(partition, timeout_ms=POLL_MS) or 0


@contextmanager
def sender(access: KafkaAccess) -> Iterator[Callable[[Original], None]]:
    """Send records to topics that exist, one by one, each acknowledged by all replicas.

    What it yields raises `Outage`; the record may have arrived all the same.
    """
    with closing(TopicAdmin(access)) as admin:
        producer = open_client(
            KafkaProducer,
            access,
            acks="all",
            enable_idempotence=True,
            max_block_ms=int(access.patience_seconds * 1000),
            delivery_timeout_ms=int(access.patience_seconds * 1000),
        )

        def send(original: Original) -> None:
            if original.topic not in admin.topics([original.topic]):
                raise Outage(f"kafka: there is no topic {original.topic}")
            with outages():
                producer.send(
                    original.topic,
                    key=original.key,
                    value=original.value,
                    headers=original.headers,
                ).get(timeout=access.patience_seconds)

        try:
            yield send
        finally:
            with suppress(KafkaError):
                producer.close(timeout=CLOSE_SECONDS)
