"""Create the topics a service needs, at its start and after a broker lost them. Blocks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_settings import KafkaAccess

TIMEOUT_MS = 5000


def ensure_topics(access: KafkaAccess, topics: Iterable[str]) -> dict[str, str]:
    """Create those of `topics` that are missing and tell the id of each.

    A topic that was lost and created again has another id: that is how a consumer knows that its
    position means nothing any more. Raises `Outage` if the broker is away.
    """
    wanted = sorted(set(topics))
    try:
        with closing(_admin(access)) as admin:
            missing = set(wanted) - set(admin.list_topics())
            if missing:
                # Somebody else may create them at this very moment: that is no error.
                admin.create_topics(
                    [NewTopic(name, access.partitions, access.replication) for name in missing],
                    timeout_ms=TIMEOUT_MS,
                    raise_errors=False,
                )
            return _ids(admin, wanted)
    except KafkaError as error:
        message = f"kafka: {error!r}"
        raise Outage(message) from error


def topic_ids(access: KafkaAccess, topics: Iterable[str]) -> dict[str, str]:
    """Tell the id of each of `topics` that exists. Raises `Outage` if the broker is away."""
    try:
        with closing(_admin(access)) as admin:
            return _ids(admin, sorted(set(topics)))
    except KafkaError as error:
        message = f"kafka: {error!r}"
        raise Outage(message) from error


def _admin(access: KafkaAccess) -> Any:
    return KafkaAdminClient(**access.client_options())


def _ids(admin: Any, topics: list[str]) -> dict[str, str]:
    return {
        topic["name"]: str(topic["topic_id"])
        for topic in admin.describe_topics(topics)
        if topic["error_code"] == 0
    }
