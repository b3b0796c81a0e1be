"""Read topics record by record, and stay a member while a record is worked on. Blocks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    RetriableError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_clients import open_client
from tonearm_chassis.kafka_membership import Membership
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.kafka_topics import Topic, TopicAdmin
from tonearm_chassis.letters import Record
from tonearm_chassis.logs import get_log

log = get_log(__name__)

POLL_MS = 200
COMMIT_MS = 3_000
CLOSE_MS = 1_000
TOPICS_CHECK_SECONDS = 1.0

# The group moved on, or the broker is away: the event may come again, to us or to another member.
PASSING = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    RetriableError,
    UnknownMemberIdError,
)


class BrokerReplaced(Exception):
    """The topics are not the ones this consumer subscribed to: positions mean nothing now."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read as whom, and which topics are watched besides."""

    group: str
    topics: tuple[str, ...]
    also_watched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signals:
    """Whom a reader tells what happens to it, from its own thread."""

    assigned: Callable[[], None]
    """It takes part."""
    returned: Callable[[], None]
    """The broker was away, and is back with the same topics."""


class KafkaReader:
    """A kafka-python consumer; to be used by one thread, and closed by it."""

    def __init__(self, access: KafkaAccess, reading: Reading, signals: Signals) -> None:
        """Connect, create what is missing of the topics, and subscribe; raises `Outage`."""
        self._group = reading.group
        self._names = {*reading.topics, *reading.also_watched}
        self._signals = signals
        self._admin = TopicAdmin(access)
        self._checked = time.monotonic()
        self._away = False
        try:
            self._topics = self._admin.ensure(self._names)
            read = {name: self._topics[name] for name in reading.topics}
            self._consumer = _consumer(access, _keeper_of_offsets(access, reading.group, read))
        except Outage:
            self._admin.close()
            raise
        if access.assignment == "group":
            listener = Membership(self._consumer, signals.assigned)
            self._consumer.subscribe(list(read), listener=listener)
        else:
            self._consumer.assign(
                [
                    TopicPartition(name, number)
                    for name, topic in read.items()
                    for number in topic.partitions
                ]
            )
            signals.assigned()

    def close(self) -> None:
        """Leave the group and disconnect, in bounded time."""
        self._admin.close()
        with suppress(KafkaError):
            self._consumer.close(timeout_ms=CLOSE_MS)

    def records(self, stopped: Callable[[], bool]) -> Iterator[Record]:
        """Give record after record until `stopped`; raises `BrokerReplaced` or a KafkaError."""
        while not stopped():
            for batch in self._consumer.poll(timeout_ms=POLL_MS, max_records=1).values():
                yield from batch
            self._check_topics()

    def stay_until_done(self, work: Future[None], stopped: Callable[[], bool]) -> bool:
        """Wait for work on a record, a member all the while; tell whether it was done."""
        try:
            while not wait([work], timeout=POLL_MS / 1000).done:
                if stopped():
                    return False
                self._stay()
            return True
        finally:
            self._consumer.resume(*self._consumer.paused())

    def commit(self, record: Record) -> None:
        """Mark a record as done. What keeps that from Kafka only makes the record come again."""
        partition = TopicPartition(record.topic, record.partition)
        offset = OffsetAndMetadata(record.offset + 1, "", -1)
        try:
            self._consumer.commit({partition: offset}, timeout_ms=COMMIT_MS)
        except PASSING as error:
            log.warning("offset_not_committed", group=self._group, cause=repr(error))

    def _stay(self) -> None:
        self._consumer.pause(*self._consumer.assignment())
        try:
            # A rebalance may hand over partitions that are not paused yet: put their records back.
            for partition, batch in self._consumer.poll(timeout_ms=0).items():
                self._consumer.seek(partition, batch[0].offset)
        except KafkaError as error:
            # Work under way is finished all the same: it would only be repeated.
            log.warning("membership_uncertain", group=self._group, cause=repr(error))

    def _check_topics(self) -> None:
        if time.monotonic() - self._checked < TOPICS_CHECK_SECONDS:
            return
        try:
            # A replaced broker raises nothing in the consumer: its position just never fills.
            if self._admin.topics(self._names) != self._topics:
                raise BrokerReplaced(self._group)
        except Outage:  # away is not replaced: the consumer reconnects by itself
            self._away = True
        else:
            if self._away:
                self._signals.returned()
            self._away = False
        self._checked = time.monotonic()


def _keeper_of_offsets(access: KafkaAccess, group: str, topics: Mapping[str, Topic]) -> str:
    """Name the group that keeps the offsets.

    A commit that waits for its broker reaches the one that comes back, be it empty, and its offset
    would hide the first events of the new topics. Where a group is nothing but the place where
    offsets are kept, that place is therefore named after the topics' ids.
    """
    if access.assignment == "group":
        return group
    ids = ",".join(topic.id for _, topic in sorted(topics.items()))
    return f"{group}.{hashlib.sha256(ids.encode()).hexdigest()[:12]}"


def _consumer(access: KafkaAccess, group: str) -> Any:  # noqa: ANN401 - kafka-python has no types
    return open_client(
        KafkaConsumer,
        access,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=1,
        fetch_max_wait_ms=POLL_MS,
        # The least that brokers allow: for so long nobody reads the partitions of a member that
        # died, even if it is back already. Who is taken for dead in error just joins again.
        session_timeout_ms=6_000,
        heartbeat_interval_ms=2_000,
    )
