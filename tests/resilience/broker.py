"""Say again what the broker has, in any order and any number, and say what nobody should."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaTimeoutError

from tonearm.events.v1 import events_pb2
from tonearm_chassis.envelope import Envelope

REQUESTS = "tonearm.conversion-requests.v1"
EVENTS = "tonearm.conversion-events.v1"
NOTIFICATIONS = "tonearm.notifications.v1"
DEAD_LETTERS = "tonearm.dead-letters.v1"
TOPICS = (REQUESTS, EVENTS, NOTIFICATIONS)
LARGE_PIECE, LARGE_PIECES = 1000, 5000
LARGEST_BYTES = 10 * 1000 * 1000
QUIET_MS = 1000
MS = 5000

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as it travels."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers


def read_all(bootstrap_servers: str, topics: Iterable[str] = TOPICS) -> list[Sent]:
    """Read all that topics hold, from the beginning to what is there now; blocks."""
    consumer: Any = KafkaConsumer(
        bootstrap_servers=bootstrap_servers, enable_auto_commit=False, group_id=None,
        request_timeout_ms=MS, bootstrap_timeout_ms=MS,
    )  # fmt: skip
    with closing(consumer):
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[Sent] = []
        while any(consumer.position(each) < ends[each] for each in partitions):
            batches = consumer.poll(timeout_ms=QUIET_MS)
            if not batches:
                break
            found += [
                Sent(each.topic, each.key, each.value, list(each.headers))
                for batch in batches.values()
                for each in batch
            ]
    return found


def publish(bootstrap_servers: str, messages: Iterable[Sent]) -> int:
    """Send records and wait until the broker has them all; return how many. Blocks."""
    producer: Any = KafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        max_request_size=LARGEST_BYTES,
        compression_type="gzip",
        bootstrap_timeout_ms=MS,
        request_timeout_ms=MS,
        delivery_timeout_ms=2 * MS,
        max_block_ms=MS,
    )
    try:
        sent = [
            producer.send(each.topic, key=each.key, value=each.value, headers=each.headers)
            for each in messages
        ]
        for each in sent:
            each.get(timeout=2 * MS / 1000)
    finally:
        # What a broker lost in between is otherwise waited for without end.
        with suppress(KafkaTimeoutError):
            producer.close(timeout=MS / 1000)
    return len(sent)


def repeat(
    bootstrap_servers: str, chance: random.Random, *, times: int, latest: int | None = None
) -> int:
    """Deliver all messages, or the `latest`, again so many `times`, in any order; blocks."""
    messages = read_all(bootstrap_servers)
    again = (messages[-latest:] if latest else messages) * times
    chance.shuffle(again)
    return publish(bootstrap_servers, again)


def poison(kind: str, chance: random.Random) -> list[Sent]:
    """Make records that nobody should send: see `POISONS`."""
    return [
        Sent(topic, uuid.UUID(int=chance.getrandbits(128)).hex.encode(), value, headers)
        for topic in TOPICS
        for value, headers in POISONS[kind](topic, chance)
    ]


def _garbage(_topic: str, chance: random.Random) -> list[tuple[bytes, Headers]]:
    headers = _envelope(events_pb2.ConversionStarted()).headers()
    return [
        (chance.randbytes(200), headers),
        (chance.randbytes(200), []),
        (b"", [("ce_type", b"\xff\xfe"), ("ce_id", b"")]),
    ]


def _unknown_type(_topic: str, _chance: random.Random) -> list[tuple[bytes, Headers]]:
    envelope = _envelope(events_pb2.ConversionStarted())
    headers = [
        (name, b"tonearm.events.v9.VideoSung" if name == "ce_type" else value)
        for name, value in envelope.headers()
    ]
    return [(envelope.payload, headers)]


def _unknown_conversion(topic: str, chance: random.Random) -> list[tuple[bytes, Headers]]:
    """Tell of conversions that never were; what would found one is left out."""
    if topic != EVENTS:
        return []
    nobody = uuid.UUID(int=chance.getrandbits(128)).hex
    messages: list[Message] = [
        events_pb2.ConversionStarted(conversion_id=nobody, fence=3),
        events_pb2.ConversionProgressed(conversion_id=nobody, fence=3, progress=0.5),
        events_pb2.ConversionFailed(conversion_id=nobody, fence=3, message="It never was."),
        events_pb2.ConversionSucceeded(conversion_id=nobody, fence=4, audio_id="none"),
        events_pb2.NotificationDelivered(conversion_id=nobody, delivered=True),
        events_pb2.CancellationConfirmed(conversion_id=nobody),
        events_pb2.DeletionConfirmed(conversion_id=nobody, party=events_pb2.PARTY_NOTIFIER),
    ]
    envelopes = [_envelope(message, nobody) for message in messages]
    return [(envelope.payload, envelope.headers()) for envelope in envelopes]


def _large(_topic: str, chance: random.Random) -> list[tuple[bytes, Headers]]:
    headers = _envelope(events_pb2.ConversionStarted()).headers()
    # The broker's limit of a mebibyte is one of compressed bytes; who reads it gets five million.
    return [(chance.randbytes(LARGE_PIECE) * LARGE_PIECES, headers)]


POISONS = {
    "garbage": _garbage,
    "unknown-type": _unknown_type,
    "unknown-conversion": _unknown_conversion,
    "large": _large,
}


def _envelope(message: Message, key: str = "") -> Envelope:
    return Envelope.of(message, key=key, source="/test", time=datetime.now(UTC))
