"""The tables of the accounts database, as the migrations leave them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import DATETIME

METADATA = MetaData()

# MySQL's DATETIME drops fractions of a second unless told otherwise.
MOMENT = DateTime().with_variant(DATETIME(fsp=3), "mysql")

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("create_time", MOMENT, nullable=False),
)

ACCOUNT_REQUESTS = Table(
    "account_requests",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("create_time", MOMENT, nullable=False),
    UniqueConstraint("create_time", "id", name="account_requests_by_age"),
)

SIGNING_KEYS = Table(
    "signing_keys",
    METADATA,
    # The first key is generation 1: being unique, it can be added only once.
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("id", String(32), nullable=False, unique=True),
    Column("public_key", LargeBinary(32), nullable=False),
    Column("encrypted_private_key", LargeBinary(255), nullable=False),
    Column("create_time", MOMENT, nullable=False),
)


def to_stored(moment: datetime) -> datetime:
    """Write a moment as the database keeps it: in UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def from_stored(moment: datetime) -> datetime:
    """Read a stored moment."""
    return moment.replace(tzinfo=UTC)
