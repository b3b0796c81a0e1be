"""Write to a broker and read it back in a consumer group: `python kafka_trial.py HOST:PORT`.

A program of its own, because kafka-python warns while it is imported and when its sockets close,
and here warnings are errors. Prints how many messages the group has committed.
"""

from __future__ import annotations

import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

TOPIC = "tonearm.trial.v1"
MESSAGES = 50


@retry(
    retry=retry_if_exception_type(KafkaError),
    stop=stop_after_delay(60),
    wait=wait_fixed(0.2),
    reraise=True,
)
def create_topic(broker: str) -> None:
    """Create the topic as soon as the broker answers."""
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(TOPIC, 4, 1)])
    admin.close()


def main(broker: str) -> None:
    """Send, receive, commit."""
    create_topic(broker)
    producer = KafkaProducer(bootstrap_servers=broker, acks="all")
    for number in range(MESSAGES):
        producer.send(TOPIC, key=str(number).encode(), value=b"spin")
    producer.flush()
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=broker,
        group_id="trial",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=20_000,
    )
    keys = {next(consumer).key for _ in range(MESSAGES)}
    consumer.commit()
    committed = sum(consumer.committed(partition) or 0 for partition in consumer.assignment())
    print(len(keys), committed)  # noqa: T201 - what the test reads
    consumer.close()
    producer.close()


if __name__ == "__main__":
    main(sys.argv[1])
