"""Decide what becomes of an event that cannot be applied: try again, or set it aside for good."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from tonearm_chassis import metrics
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventHandler, EventProducer
from tonearm_chassis.logs import get_log

log = get_log(__name__)

ATTEMPTS = 3
MAX_PAUSE_SECONDS = 5.0
REASON_LENGTH = 500


class DeadLetters:
    """Runs handlers: outages are waited out, poison goes to the dead-letter topic."""

    def __init__(self, producer: EventProducer, *, topic: str, source: str) -> None:
        """Send dead letters to `topic` in the name of `source`."""
        self._producer = producer
        self._topic = topic
        self._source = source

    async def guard(self, record: Any, envelope: Envelope, handler: EventHandler) -> None:
        """Apply `handler`; return once the event is applied or buried."""
        try:
            async for attempt in AsyncRetrying(
                # Everything else fails alike, so an outage is waited out, however long it takes.
                retry=retry_if_exception_type(Outage),
                wait=wait_random_exponential(multiplier=0.1, max=MAX_PAUSE_SECONDS),
                before_sleep=lambda state: _count(envelope, "retried", state.outcome),
            ):
                with attempt:
                    await self._three_times(envelope, handler)
        except Exception as error:
            log.exception("event_failed", type=envelope.type)
            await self.bury_record(record, repr(error))
            _count(envelope, "dead_lettered", None)
        else:
            _count(envelope, "applied", None)

    async def _three_times(self, envelope: Envelope, handler: EventHandler) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(
                lambda error: (
                    isinstance(error, Exception)
                    and not isinstance(error, (Outage, MalformedEvent))
                )
            ),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=1),
            reraise=True,
        ):
            with attempt:
                await handler(envelope)

    async def bury_record(self, record: Any, reason: str) -> None:
        """Copy a record to the dead letters, with its place of origin and the reason.

        Waits out outages: a record must not be skipped before its copy is safe.
        """
        letter = Envelope(
            type="tonearm.dead-letter",
            key=(record.key or b"").decode(errors="replace"),
            payload=record.value or b"",
            source=f"{self._source}/{record.topic}/{record.partition}/{record.offset}",
            time=datetime.now(UTC),
            id=f"{record.topic}-{record.partition}-{record.offset}",
        )
        log.error("event_buried", topic=record.topic, reason=reason[:REASON_LENGTH])
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Outage),
            wait=wait_random_exponential(multiplier=0.1, max=MAX_PAUSE_SECONDS),
        ):
            with attempt:
                await self._producer.send(self._topic, letter)


def _count(envelope: Envelope, result: str, outcome: Any) -> None:
    metrics.EVENTS_CONSUMED.labels(envelope.type, result).inc()
    if outcome is not None:
        log.warning("event_retried", type=envelope.type, cause=str(outcome.exception()))
