"""What becomes of events."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from converter_fakes import InMemoryAudioStore, InMemoryCheckpointStore, InMemoryClaimStore, order
from google.protobuf.message import Message

from converter_service import wire
from converter_service.domain import Claim
from converter_service.use_cases.call_off import CallOff
from converter_service.use_cases.desk import Desk
from converter_service.use_cases.suspicion import Suspicion
from converter_service.worker import ConversionRequests
from tonearm.events.v1 import events_pb2
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.testing.clock import FakeClock

ASKED = replace(order(), account_id="a")
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

    desk = Desk(claims, convert, Suspicion(FakeClock()), slots=0)
    checkpoints = InMemoryCheckpointStore(FakeClock())
    return ConversionRequests(desk, CallOff(claims, InMemoryAudioStore(), checkpoints, desk.stop))


async def test_a_request_is_durable_when_its_handler_returns(
    requests: ConversionRequests, claims: InMemoryClaimStore
) -> None:
    await requests(envelope(requested()))

    assert await claims.due_orders() == [ASKED]


async def test_a_repeated_request_changes_nothing(
    requests: ConversionRequests, claims: InMemoryClaimStore
) -> None:
    for _ in range(3):
        await requests(envelope(requested()))

    assert await claims.due_orders() == [ASKED]


CALLS = (
    (events_pb2.ConversionCancelled(conversion_id=order().conversion_id), "CancellationConfirmed"),
    (events_pb2.ConversionDeleted(conversion_id=order().conversion_id), "DeletionConfirmed"),
)


@pytest.mark.parametrize(("message", "confirmation"), CALLS)
async def test_what_is_called_off_is_confirmed(
    requests: ConversionRequests, claims: InMemoryClaimStore, message: Message, confirmation: str
) -> None:
    await requests(envelope(requested()))

    await requests(envelope(message))

    assert await claims.due_orders() == []
    assert claims.promised == [(confirmation, 0)]


@pytest.mark.parametrize(("message", "confirmation"), CALLS)
async def test_what_is_called_off_and_was_never_heard_of_is_confirmed_and_remembered(
    requests: ConversionRequests, claims: InMemoryClaimStore, message: Message, confirmation: str
) -> None:
    await requests(envelope(message))

    for _ in range(10):
        await requests(envelope(requested()))

    assert await claims.due_orders() == []
    assert set(claims.promised) == {(confirmation, 0)}


@pytest.mark.parametrize(
    "message",
    [
        requested(conversion_id="../../etc/passwd"),
        requested(video_id=""),
        requested(sha256="no"),
        requested(bitrate_kbps=33),
        requested(fence_floor=-1),
        requested(fence_floor=2**63 - 1),
        events_pb2.ConversionCancelled(conversion_id=""),
        events_pb2.ConversionDeleted(conversion_id="A" * 32),
        events_pb2.NotificationDelivered(conversion_id=order().conversion_id),
    ],
    ids=[
        "conversion_id",
        "video_id",
        "sha256",
        "bitrate",
        "fence below zero",
        "no higher fence",
        "cancelled",
        "deleted",
        "unknown type",
    ],
)
async def test_what_makes_no_sense_is_malformed(
    requests: ConversionRequests, message: Message
) -> None:
    with pytest.raises(MalformedEvent):
        await requests(envelope(message))


def test_the_same_outcome_has_the_same_event_id() -> None:
    claim = Claim(order(), fence=3, owner="me")

    first, again = wire.started(claim, NOW), wire.started(claim, NOW)

    assert first.id == again.id
    assert wire.progressed(claim, 0.5, NOW).id != wire.progressed(claim, 0.5, NOW).id


def test_a_dead_letter_is_the_order_as_it_can_be_replayed() -> None:
    claim = Claim(replace(ASKED, fence_floor=2), fence=3, owner="me")

    letter = wire.dead_letter(claim, "no luck", NOW)

    told = dict(letter.extensions)
    headers = [(name, text.encode()) for name, text in json.loads(told["originheaders"]).items()]
    replayed = Envelope.from_record(letter.key.encode(), letter.payload, headers)
    assert wire.order(replayed.open(events_pb2.ConversionRequested)) == claim.order
    assert (told["reason"], told["origintopic"]) == ("no luck", wire.REQUESTS_TOPIC)
    assert letter == wire.dead_letter(claim, "no luck", NOW)
