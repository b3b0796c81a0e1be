"""What a converter is told by its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

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
    ffmpeg: str = Field(
        "auto",
        description="the ffmpeg program: auto (PATH's, then the wheel's), path, wheel, or where "
        "it lies",
    )
    cage: Literal["auto", "full"] = Field(
        "auto",
        description="auto: the strongest cage for ffmpeg that this machine has, and a warning of "
        "what it lacks; full: do not start if it lacks anything",
    )
    max_audio_hours: float = Field(
        24.0, gt=0, description="the longest audio that is converted, declared or carried"
    )
    max_audio_bytes: int = Field(
        4 * 1024**3, ge=32 * 1024**2, description="the largest audio file that is made"
    )
    max_expansion: float = Field(
        48.0,
        ge=1,
        description="how many times the size of the upload the audio may have; what stays below "
        "32 MiB may always be",
    )
    slots: int = Field(
        0, ge=0, description="conversions at a time; 0: as many as there are processor cores"
    )
    encoders: int = Field(
        0, ge=0, description="encoders at a time for one conversion; 0: as many as there are cores"
    )
    lease_seconds: float = Field(
        15.0, ge=1, description="how long after a worker's death another takes over"
    )
    max_losses: int = Field(
        4,
        ge=1,
        description="workers that may vanish over a conversion that they do nothing beside, "
        "before it is given up",
    )
    max_outages: int = Field(
        50, ge=1, description="attempts that may end in an outage before it is given up"
    )
    give_ups_per_hour: int = Field(
        10,
        ge=1,
        description="conversions that all workers together give up in an hour before they go on "
        "trying",
    )
    sweep_seconds: float = Field(
        60.0, gt=0, description="how often stray audio and old tombstones are looked for"
    )
    orphan_age_seconds: float = Field(
        3600.0, ge=0, description="how old audio must be before it can count as stray"
    )
    tombstone_days: float = Field(
        14.0,
        gt=0,
        description="how long ids of cancelled and deleted conversions are kept; longer than "
        "Kafka keeps events",
    )
