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
    video_retention_hours: float = Field(
        24.0, gt=0, description="how long a video is kept for a retry after its last conversion"
    )
    audio_retention_days: float = Field(30.0, gt=0, description="how long an MP3 is kept")
    request_memory_hours: float = Field(
        24.0, gt=0, description="how long a `request_id` is known after its conversion was deleted"
    )
    upload_idle_seconds: float = Field(
        3600.0, gt=0, description="how long an upload may stand still before it is thrown away"
    )
    orphan_age_seconds: float = Field(
        3600.0, gt=0, description="how old bytes that belong to nothing are when they are deleted"
    )
    sweep_seconds: float = Field(
        60.0, gt=0, description="how often what is not needed any more is thrown away"
    )
