"""What a converter is told by its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from tonearm_chassis.kafka_settings import KafkaSettings


class Settings(KafkaSettings):
    """The settings of the converter service."""

    mongodb_uri: SecretStr = Field(description="MongoDB connection string")
    scratch_directory: Path | None = Field(
        None,
        description="where running conversions keep their files, with room for SLOTS videos; "
        "default: tonearm-converter in the system's temporary directory",
    )
    ffmpeg: str = Field("", description="the ffmpeg program; default: PATH's, then the wheel's")
    slots: int = Field(
        0, ge=0, description="conversions at a time; 0: as many as there are processor cores"
    )
    lease_seconds: float = Field(
        15.0, ge=1, description="how long after a worker's death another takes over"
    )
