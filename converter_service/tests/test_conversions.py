"""A worker's conversions and its relay: neither goes on without the other."""

from __future__ import annotations

import asyncio

import pytest
from converter_fakes import InMemoryClaimStore, order

from converter_service.domain import Claim, Setback
from converter_service.use_cases.desk import Desk
from converter_service.use_cases.suspicion import Suspicion
from converter_service.worker import Conversions
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.outbox import Relay
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.events import InMemoryProducer
from tonearm_chassis.testing.outbox import InMemoryOutbox

SOON_SECONDS = 5.0


class Surprising(InMemoryProducer):
    """A producer with a bug."""

    async def send(self, topic: str, envelope: Envelope) -> None:  # noqa: ARG002 - the port has it
        raise IndexError(topic)


class Site:
    """A desk whose conversions end when they are told to, and an outbox with one entry."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.claims = InMemoryClaimStore(self.clock)
        self.outbox = InMemoryOutbox()
        self.begun = asyncio.Event()
        self.desk = Desk(self.claims, self.convert, Suspicion(self.clock), slots=1)

    async def convert(self, claim: Claim) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await self.claims.release(claim, Setback.DRAINED)
            raise

    async def promise(self) -> None:
        event = Envelope("tonearm.test.Happened", "key", b"", "/test", self.clock.now())
        await self.outbox.promise("document", "topic", event)


@pytest.fixture
def site() -> Site:
    return Site()


async def test_a_relay_that_fails_ends_the_worker_and_its_claims_are_given_back(
    site: Site,
) -> None:
    conversions = Conversions(site.desk, Relay(site.outbox, Surprising()))
    await site.desk.take(order())
    await site.begun.wait()
    await site.promise()

    with pytest.raises(IndexError):
        await asyncio.wait_for(conversions.run(asyncio.Event()), SOON_SECONDS)

    assert await site.claims.due_orders() == [order()]


async def test_what_is_promised_last_is_relayed_before_the_worker_ends(site: Site) -> None:
    producer, stopping = InMemoryProducer(), asyncio.Event()
    conversions = Conversions(site.desk, Relay(site.outbox, producer))
    running = asyncio.create_task(conversions.run(stopping))
    await asyncio.sleep(0)
    await site.promise()

    stopping.set()
    await asyncio.wait_for(running, SOON_SECONDS)

    assert len(producer.sent) == 1
