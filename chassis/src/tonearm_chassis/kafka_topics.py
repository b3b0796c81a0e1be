"""Create the topics a service needs, at its start and after a broker lost them. Blocks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_clients import open_client, outages
from tonearm_chassis.kafka_settings import KafkaAccess

READY_CHECK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the broker has it now.

    One that was lost and created again has another id: that is how a consumer knows that its
    position means nothing any more.
    """

    id: str
    partitions: tuple[int, ...]


class TopicAdmin:
    """A connection to ask for topics; close it after use. Every method raises `Outage`."""

    def __init__(self, access: KafkaAccess) -> None:
        """Connect, or raise `Outage` after the bootstrap timeout."""
        self._access = access
        self._client = open_client(KafkaAdminClient, access)

    def close(self) -> None:
        """Disconnect."""
        self._client.close()

    def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        """Describe those of `names` that exist and have a leader for each partition."""
        with outages():
            described = self._client.describe_topics(sorted(set(names)))
        return {each["name"]: _topic(each) for each in described if _is_ready(each)}

    def ensure(self, names: Iterable[str]) -> dict[str, Topic]:
        """Create those of `names` that are missing, and describe all once they can be used."""
        wanted = set(names)
        deadline = time.monotonic() + self._access.patience_seconds
        while missing := wanted - set(found := self.topics(wanted)):
            if time.monotonic() > deadline:
                raise Outage(f"kafka: topics are not ready: {sorted(missing)}")
            self._create(missing)
            time.sleep(READY_CHECK_SECONDS)
        return found

    def _create(self, names: Iterable[str]) -> None:
        partitions, replication = self._access.partitions, self._access.replication
        with outages():
            # Somebody else may create them at this very moment: that is no error.
            self._client.create_topics(
                [NewTopic(name, partitions, replication) for name in names],
                timeout_ms=int(self._access.patience_seconds * 1000),
                raise_errors=False,
            )


def ensure_topics(access: KafkaAccess, topics: Iterable[str]) -> dict[str, str]:
    """Create those of `topics` that are missing and tell the id of each. Raises `Outage`."""
    with closing(TopicAdmin(access)) as admin:
        return {name: topic.id for name, topic in admin.ensure(topics).items()}


def topic_ids(access: KafkaAccess, topics: Iterable[str]) -> dict[str, str]:
    """Tell the id of each of `topics` that exists. Raises `Outage` if the broker is away."""
    with closing(TopicAdmin(access)) as admin:
        return {name: topic.id for name, topic in admin.topics(topics).items()}


def _is_ready(topic: Mapping[str, Any]) -> bool:
    return topic["error_code"] == 0 and all(
        partition["error_code"] == 0 and partition["leader_id"] >= 0
        for partition in topic["partitions"]
    )


def _topic(described: Mapping[str, Any]) -> Topic:
    return Topic(
        id=str(described["topic_id"]),
        partitions=tuple(sorted(each["partition_index"] for each in described["partitions"])),
    )
