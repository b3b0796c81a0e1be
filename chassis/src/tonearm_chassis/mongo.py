"""Reach MongoDB the one way that keeps what was acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tonearm_chassis.errors import Outage, StorageFull
from tonearm_chassis.mongo_waits import mend_waits

Document = dict[str, Any]

TIMEOUT_MS = 10_000

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
OUT_OF_DISK_SPACE = 14031
# The server's own fault, such as a storage engine that stopped; never that of the request.
INTERNAL_ERROR = 1


def connect(uri: str) -> AsyncMongoClient[Document]:
    """Make a client; it connects at first use and comes back by itself."""
    mend_waits()
    return AsyncMongoClient(
        uri, serverSelectionTimeoutMS=3_000, socketTimeoutMS=TIMEOUT_MS, connectTimeoutMS=3_000
    )


def database(client: AsyncMongoClient[Document], name: str) -> AsyncDatabase[Document]:
    """Open a database whose writes are acknowledged by a majority and journaled.

    Server defaults have lost acknowledged writes (Jepsen, MongoDB 4.2.6), so they are not used.
    """
    return client.get_database(
        name,
        codec_options=CodecOptions(tz_aware=True),
        write_concern=WriteConcern(w="majority", j=True, wtimeout=TIMEOUT_MS),
        read_concern=ReadConcern("local"),
    )


async def server_time(database: AsyncDatabase[Document]) -> datetime:
    """Tell the server's time of day, in UTC, as it was a moment ago."""
    answer = await database.command("hello")
    moment: datetime = answer["localTime"]
    return moment.replace(tzinfo=UTC)


@contextmanager
def outages() -> Iterator[None]:
    """Turn the driver's failures that may pass into `Outage`; all others stay what they are.

    A file that is missing, a key that is taken, a document that is too large: trying those again
    would change nothing.

    Raises `CancelledError` if the task was cancelled meanwhile: the driver takes that for a broken
    connection, raises `AutoReconnect` or tries again, and whoever waits for the task's end would
    wait for good.
    """
    before = _cancellations()
    try:
        yield
    except PyMongoError as error:
        if _cancellations() > before:
            raise asyncio.CancelledError from error
        if OUT_OF_DISK_SPACE in error_codes(error):
            raise StorageFull(f"mongodb: {type(error).__name__}: no space left") from error
        if not _may_pass(error):
            raise
        message = f"mongodb: {error!r}"
        raise Outage(message) from error
    if _cancellations() > before:
        raise asyncio.CancelledError


def _cancellations() -> int:
    """Count how often the task that runs was asked to end."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop, no task
        return 0
    return task.cancelling() if task else 0


def error_codes(error: PyMongoError) -> frozenset[int]:
    """List the server's codes of a failure: its own, those of its writes and of their concern."""
    if not isinstance(error, OperationFailure):
        return frozenset()
    details = error.details or {}
    parts = (
        *details.get("writeErrors", ()),
        *details.get("writeConcernErrors", ()),
        details.get("writeConcernError") or {},
    )
    codes = (error.code, *(part.get("code") for part in parts))
    return frozenset(code for code in codes if code is not None)


def _may_pass(error: PyMongoError) -> bool:
    return (
        isinstance(error, (ConnectionFailure, WaitQueueTimeoutError))
        or (isinstance(error, OperationFailure) and error.code == INTERNAL_ERROR)
        or error.timeout
        or error.has_error_label("RetryableWriteError")
        or error.has_error_label("TransientTransactionError")
    )
