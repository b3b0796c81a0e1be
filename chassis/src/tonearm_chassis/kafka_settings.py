"""How to reach Kafka: what every service that uses it is told by its environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from tonearm_chassis.dead_letters import LETTERS_PER_HOUR
from tonearm_chassis.settings import ServiceSettings

Assignment = Literal["group", "all"]


class KafkaSettings(ServiceSettings):
    """The settings of a service that talks to Kafka."""

    kafka_bootstrap_servers: str = Field(description="brokers to ask first, host:port,host:port")
    kafka_assignment: Assignment = Field(
        "group",
        description="group: consumers share partitions; all: each reads all, claims decide",
    )
    kafka_partitions: int = Field(8, ge=1, description="partitions of a topic that is created")
    kafka_replication: int = Field(1, ge=1, description="copies of a topic that is created")
    dead_letters_per_hour: int = Field(
        LETTERS_PER_HOUR,
        ge=1,
        description="records set aside in an hour before failures count as an outage",
    )

    def kafka(self) -> KafkaAccess:
        """Collect what Kafka clients need."""
        return KafkaAccess(
            bootstrap_servers=self.kafka_bootstrap_servers,
            assignment=self.kafka_assignment,
            partitions=self.kafka_partitions,
            replication=self.kafka_replication,
        )


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Where Kafka is and how topics are made.

    With `assignment` "group" the members of a consumer group share a topic's partitions. With
    "all" every consumer reads every partition at once, without the group join that takes the
    embedded broker up to 23 seconds; then it is claims and compare-and-set that keep work single.
    """

    bootstrap_servers: str
    assignment: Assignment = "group"
    partitions: int = 8
    replication: int = 1
    patience_seconds: float = 5.0
    """How long one connection, request or delivery may take before it is an outage."""

    def client_options(self) -> dict[str, Any]:
        """Give the options that all of kafka-python's clients share."""
        return {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            # Defaults back off for up to 30 s: a broker that is back would stand idle.
            "reconnect_backoff_ms": 50,
            "reconnect_backoff_max_ms": 500,
            "bootstrap_timeout_ms": int(self.patience_seconds * 1000),
            "request_timeout_ms": int(self.patience_seconds * 1000),
        }
