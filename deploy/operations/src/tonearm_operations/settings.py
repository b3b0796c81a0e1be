"""What each command is told by its environment."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tonearm_chassis.kafka_settings import KafkaAccess


class AuditSettings(BaseSettings):
    """Where the stores are."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    mongodb_uri: SecretStr = Field(description="the MongoDB with the databases of all services")


class LetterSettings(BaseSettings):
    """Where the dead letters are."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str = Field(description="brokers to ask first, host:port,host:port")

    def kafka(self) -> KafkaAccess:
        """Collect what Kafka clients need."""
        return KafkaAccess(bootstrap_servers=self.kafka_bootstrap_servers)
