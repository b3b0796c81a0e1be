"""What the gateway is told by its environment."""

from __future__ import annotations

from pydantic import Field, SecretStr

from tonearm_chassis.kafka_settings import KafkaSettings
from tonearm_chassis.settings import Address


class Settings(KafkaSettings):
    """The settings of the gateway service."""

    mongodb_uri: SecretStr = Field(description="where MongoDB is: mongodb://host:port")
    auth_address: Address = Field(description="where the auth service publishes its keys")
    token_issuer: str = Field("tonearm", description="the `iss` that tokens must have")
    token_audience: str = Field("tonearm", description="the `aud` that tokens must have")
    max_video_bytes: int = Field(10 * 1024**3, ge=1, description="the largest video that is taken")
    remind_seconds: float = Field(
        10.0, gt=0, description="how long a conversion may be silent before it is asked for again"
    )
