"""What a producer does about what kafka-python raises while topics vanish."""

from __future__ import annotations

import threading

import pytest

from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_producer import KafkaEventProducer
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.testing.clock import FakeClock


class LosesItsTopic:
    """A `KafkaProducer` whose topic's partitions vanish between a look at them and the next."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.closed = threading.Event()

    def send(self, *_: object, **__: object) -> None:
        raise self.error

    def close(self, timeout: float) -> None:  # noqa: ARG002 - as the driver has it
        self.closed.set()


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Partitioner did not assign a partition for topic topic!"),
        TypeError("'NoneType' object is not iterable"),
        ZeroDivisionError("integer modulo by zero"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_partitions_that_vanish_are_an_outage_and_the_next_send_begins_anew(
    error: Exception,
) -> None:
    producer = KafkaEventProducer(KafkaAccess("127.0.0.1:1", patience_seconds=1), ("topic",))
    client = LosesItsTopic(error)
    producer._producer = client  # noqa: SLF001 - no broker can be made to lose that race
    event = Envelope("tonearm.test.Happened", "key", b"", "/test", FakeClock().now())

    with pytest.raises(Outage, match=type(error).__name__):
        await producer.send("topic", event)

    assert client.closed.wait(5)
    assert producer._producer is None  # noqa: SLF001 - as above
