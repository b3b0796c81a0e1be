"""What auth is told by its environment."""

from __future__ import annotations

from pydantic import Field, SecretStr

from tonearm_chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of the auth service."""

    database_url: SecretStr = Field(
        description="SQLAlchemy URL: mysql+pymysql://user:password@host/auth or sqlite:///path"
    )
    key_encryption_secret: SecretStr = Field(
        min_length=32, description="encrypts the private signing keys at rest"
    )
    request_memory_hours: float = Field(
        24.0, gt=0, description="how long a `request_id` is known after it opened an account"
    )
    sweep_seconds: float = Field(
        60.0, gt=0, description="how often what is remembered long enough is looked for"
    )
    token_issuer: str = Field("tonearm", description="the `iss` of tokens")
    token_audience: str = Field("tonearm", description="the `aud` of tokens")
    token_seconds: int = Field(600, ge=60, le=900, description="how long a token is good")
