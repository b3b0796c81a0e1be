"""Between protobuf's moments and ours."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(value: datetime) -> Timestamp:
    """Write a moment."""
    message = Timestamp()
    message.FromDatetime(value)
    return message


def moment(message: Timestamp) -> datetime:
    """Read a moment."""
    return message.ToDatetime(tzinfo=UTC)


def optional_timestamp(value: datetime | None) -> Timestamp | None:
    """Write a moment that may not have come yet."""
    return None if value is None else timestamp(value)
