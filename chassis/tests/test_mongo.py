"""What of the driver's failures may pass, and which means that the disk is full."""

from __future__ import annotations

import asyncio

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
)

from tonearm_chassis.errors import Outage, StorageFull
from tonearm_chassis.mongo import outages


def met_with(error: PyMongoError) -> BaseException:
    """Tell what comes out where the driver raised `error`."""
    with pytest.raises(Exception) as caught, outages():  # noqa: PT011 - which one is the question
        raise error
    return caught.value


FULL: list[PyMongoError] = [
    OperationFailure("no space", 14031),
    WriteError("no space", 14031),
    WriteConcernError("no space", 14031, {"writeConcernError": {"code": 14031}}),
    BulkWriteError({"writeErrors": [{"code": 14031, "errmsg": "no space"}]}),
    BulkWriteError({"writeConcernErrors": [{"code": 14031, "errmsg": "no space"}]}),
]
PASSING: list[PyMongoError] = [AutoReconnect("away"), OperationFailure("engine stopped", 1)]
LASTING: list[PyMongoError] = [
    DuplicateKeyError("taken", 11000),
    InvalidOperation("closed"),
    OperationFailure("what?", 9),
]


@pytest.mark.parametrize("number", range(len(FULL)))
def test_a_full_disk_is_an_outage_of_its_own_kind(number: int) -> None:
    assert type(met_with(FULL[number])) is StorageFull


@pytest.mark.parametrize("number", range(len(PASSING)))
def test_what_is_the_servers_own_fault_may_pass(number: int) -> None:
    assert type(met_with(PASSING[number])) is Outage


@pytest.mark.parametrize("number", range(len(LASTING)))
def test_what_would_fail_again_stays_what_it_is(number: int) -> None:
    assert met_with(LASTING[number]) is LASTING[number]


@pytest.mark.parametrize("ending", [AutoReconnect("operation cancelled"), None])
async def test_a_cancellation_that_the_driver_swallows_counts_all_the_same(
    ending: Exception | None,
) -> None:
    async def call() -> None:
        with outages():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if ending is not None:
                    raise ending from None

    task = asyncio.create_task(call())
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_is_done_after_a_cancellation_is_not_cancelled_by_it() -> None:
    async def call() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            with outages():
                await asyncio.sleep(0)
            return "cleaned up"
        raise AssertionError

    task = asyncio.create_task(call())
    await asyncio.sleep(0)

    task.cancel()

    assert await task == "cleaned up"
