"""Make kafka-python's clients without leaving anything behind when the broker is away. Blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_settings import KafkaAccess


def open_client(make: Callable[..., Any], access: KafkaAccess, **options: object) -> Any:  # noqa: ANN401 - kafka-python has no types
    """Make a client; raises `Outage` after the bootstrap timeout.

    kafka-python leaves its IO thread and its sockets to themselves when a constructor fails: one
    more of each with every attempt, for as long as the broker is away.
    """
    connections: list[Any] = []

    def connect(*arguments: object, **settings: object) -> Any:  # noqa: ANN401 - as above
        connections.append(KafkaNetClient(*arguments, **settings))
        return connections[-1]

    with outages():
        try:
            return make(**access.client_options(), **options, kafka_client=connect)
        except KafkaError:
            for connection in connections:
                connection.close()
            raise


@contextmanager
def outages() -> Iterator[None]:
    """Turn kafka-python's failures into `Outage`."""
    try:
        yield
    except KafkaError as error:
        raise Outage(f"kafka: {error!r}") from error
