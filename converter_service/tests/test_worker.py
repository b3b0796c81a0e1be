"""What becomes of events."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from converter_fakes import InMemoryClaimStore, order
from google.protobuf.message import Message

from converter_service import wire
from converter_service.domain import Claim
from converter_service.use_cases.desk import Desk
from converter_service.worker import ConversionRequests
from tonearm.events.v1 import events_pb2
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.testing.clock import FakeClock

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def envelope(message: Message) -> Envelope:
    return Envelope.of(message, key="k", source="/tonearm/gateway", time=NOW)


def requested(**changes: object) -> events_pb2.ConversionRequested:
    message = events_pb2.ConversionRequested(
        conversion_id=order().conversion_id,
        account_id="a",
        video_id=order().video_id,
        size_bytes=order().size_bytes,
        sha256=order().sha256,
    )
    message.create_time.FromDatetime(order().create_time)
    for field, value in changes.items():
        setattr(message, field, value)
    return message


@pytest.fixture
def claims() -> InMemoryClaimStore:
    return InMemoryClaimStore(FakeClock())


@pytest.fixture
def requests(claims: InMemoryClaimStore) -> ConversionRequests:
    async def convert(claim: Claim) -> None:
        raise AssertionError(claim)

    return ConversionRequests(Desk(claims, convert, slots=0))


async def test_a_request_is_durable_when_its_handler_returns(
    requests: ConversionRequests, claims: InMemoryClaimStore
) -> None:
    await requests(envelope(requested()))

    assert await claims.due(10) == [order()]


async def test_a_repeated_request_changes_nothing(
    requests: ConversionRequests, claims: InMemoryClaimStore
) -> None:
    for _ in range(3):
        await requests(envelope(requested()))

    assert await claims.due(10) == [order()]


async def test_a_cancelled_conversion_is_called_off(
    requests: ConversionRequests, claims: InMemoryClaimStore
) -> None:
    await requests(envelope(requested()))

    cancelled = events_pb2.ConversionCancelled(conversion_id=order().conversion_id)
    await requests(envelope(cancelled))

    assert await claims.due(10) == []


@pytest.mark.parametrize(
    "message",
    [
        requested(conversion_id="../../etc/passwd"),
        requested(video_id=""),
        requested(sha256="no"),
        requested(bitrate_kbps=33),
        events_pb2.ConversionCancelled(conversion_id=""),
        events_pb2.NotificationDelivered(conversion_id=order().conversion_id),
    ],
    ids=["conversion_id", "video_id", "sha256", "bitrate", "cancelled", "unknown type"],
)
async def test_what_makes_no_sense_is_malformed(
    requests: ConversionRequests, message: Message
) -> None:
    with pytest.raises(MalformedEvent):
        await requests(envelope(message))


def test_the_same_outcome_has_the_same_event_id() -> None:
    claim = Claim(order(), fence=3, engine_failures=0)

    first, again = wire.started(claim, NOW), wire.started(claim, NOW)

    assert first.id == again.id
    assert wire.progressed(claim, 0.5, NOW).id != wire.progressed(claim, 0.5, NOW).id
