"""Decide what becomes of an event that cannot be applied: try again, or set it aside for good."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from tonearm_chassis import metrics
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventHandler, EventProducer, UnsendableEvent
from tonearm_chassis.logs import get_log

log = get_log(__name__)

ATTEMPTS = 3
MAX_PAUSE_SECONDS = 5.0
REASON_LENGTH = 500
LETTER_TYPE = "tonearm.dead-letter"


class Record(Protocol):
    """What a consumer took from a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class HandlerCancelled(Exception):
    """A handler raised CancelledError although nobody had cancelled it."""


class DeadLetters:
    """Runs handlers: outages are waited out, poison goes to the dead-letter topic."""

    def __init__(self, producer: EventProducer, *, topic: str, source: str) -> None:
        """Send dead letters to `topic` in the name of `source`."""
        self._producer = producer
        self._topic = topic
        self._source = source

    async def guard(self, record: Record, envelope: Envelope, handler: EventHandler) -> None:
        """Apply `handler`; return once the event is applied or buried."""
        try:
            # Everything else fails alike, so an outage is waited out, however long it takes.
            async for attempt in _until_outages_end(lambda state: _tell_retry(envelope, state)):
                with attempt:
                    await self._three_times(envelope, handler)
        except Exception as error:
            log.exception("event_failed", type=envelope.type)
            await self.bury_record(record, repr(error))
            metrics.EVENTS_CONSUMED.labels(envelope.type, "dead_lettered").inc()
        else:
            metrics.EVENTS_CONSUMED.labels(envelope.type, "applied").inc()

    async def _three_times(self, envelope: Envelope, handler: EventHandler) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_may_be_chance),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=1),
            reraise=True,
        ):
            with attempt:
                await _uncancelled(envelope, handler)

    async def bury_record(self, record: Record, reason: str) -> None:
        """Copy a record to the dead letters, with its place of origin and the reason.

        The letter's value and key are the record's. Its extension attributes tell the rest:
        `reason`, `origintopic`, `originpartition`, `originoffset`, and `originheaders` as JSON.
        Waits out outages: a record must not be skipped before its copy is safe.
        """
        log.error("event_buried", topic=record.topic, reason=reason[:REASON_LENGTH])
        letter = self._letter(record, reason)
        async for attempt in _until_outages_end(lambda state: _tell_retry(letter, state)):
            with attempt:
                try:
                    await self._producer.send(self._topic, letter)
                except UnsendableEvent:
                    # The topic it came from still has it; the place must not be lost as well.
                    log.exception("letter_unsendable", id=letter.id)

    def _letter(self, record: Record, reason: str) -> Envelope:
        headers = {name: (text or b"").decode(errors="replace") for name, text in record.headers}
        return Envelope(
            type=LETTER_TYPE,
            key=(record.key or b"").decode(errors="replace"),
            payload=record.value or b"",
            source=f"{self._source}/{record.topic}/{record.partition}/{record.offset}",
            time=datetime.now(UTC),
            id=f"{record.topic}-{record.partition}-{record.offset}",
            traceparent=headers.get("traceparent", ""),
            extensions=(
                ("reason", reason[:REASON_LENGTH]),
                ("origintopic", record.topic),
                ("originpartition", str(record.partition)),
                ("originoffset", str(record.offset)),
                ("originheaders", json.dumps(headers)),
            ),
        )


def _until_outages_end(tell: Callable[[RetryCallState], None]) -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(Outage),
        wait=wait_random_exponential(multiplier=0.1, max=MAX_PAUSE_SECONDS),
        before_sleep=tell,
    )


def _may_be_chance(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, (Outage, MalformedEvent))


async def _uncancelled(envelope: Envelope, handler: EventHandler) -> None:
    try:
        await handler(envelope)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Let out, it would look as if the service were stopping, and nothing were wrong.
        raise HandlerCancelled(envelope.type) from None


def _tell_retry(envelope: Envelope, state: RetryCallState) -> None:
    metrics.EVENTS_CONSUMED.labels(envelope.type, "retried").inc()
    cause = state.outcome.exception() if state.outcome else None
    log.warning("event_retried", type=envelope.type, cause=str(cause))
