"""Decide what becomes of an event that cannot be applied: try again, or set it aside for good."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from tonearm_chassis import metrics
from tonearm_chassis.clock import Clock, SystemClock
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventHandler, EventProducer, UnsendableEvent
from tonearm_chassis.letters import LETTER_TYPE, REASON_LENGTH, Record, letter_of, shortened
from tonearm_chassis.logs import get_log

log = get_log(__name__)

ATTEMPTS = 3
MAX_PAUSE_SECONDS = 5.0
WINDOW_SECONDS = 3600.0
LETTERS_PER_HOUR = 100


class HandlerCancelled(Exception):
    """A handler raised CancelledError although nobody had cancelled it."""


class LimitReached(Outage):
    """So much was set aside lately that the fault is more likely ours than the events'."""


class DeadLetterLimit:
    """How many letters one process writes within an hour, so that no bad deploy buries a topic."""

    def __init__(self, per_hour: int = LETTERS_PER_HOUR, clock: Clock | None = None) -> None:
        """Allow `per_hour` letters in any 3,600 seconds of `clock`, the machine's by default."""
        self._per_hour = per_hour
        self._clock = clock or SystemClock()
        self._letters: deque[float] = deque()

    def take(self) -> None:
        """Count one letter that is about to be written, or raise `LimitReached`."""
        now = self._clock.monotonic()
        while self._letters and self._letters[0] <= now - WINDOW_SECONDS:
            self._letters.popleft()
        if len(self._letters) >= self._per_hour:
            raise LimitReached(f"{self._per_hour} dead letters an hour")
        self._letters.append(now)


class DeadLetters:
    """Runs handlers: outages are waited out, poison goes to the dead-letter topic.

    Once the limit is reached, poison is waited out as well: the record is kept and tried again.
    """

    def __init__(
        self,
        producer: EventProducer,
        *,
        topic: str,
        source: str,
        limit: DeadLetterLimit | None = None,
    ) -> None:
        """Send dead letters to `topic` in the name of `source`, at most as many as `limit` says."""
        self._producer = producer
        self._topic = topic
        self._source = source
        self._limit = limit or DeadLetterLimit()

    async def guard(self, record: Record, envelope: Envelope, handler: EventHandler) -> None:
        """Apply `handler`; return once the event is applied or buried."""
        failure: Exception | None = None
        # Everything else fails alike, so an outage is waited out, however long it takes.
        async for attempt in _until_outages_end(lambda state: _tell_retry(envelope.type, state)):
            with attempt:
                failure = await self._failure(envelope, handler)
                if failure is not None:
                    self._limit.take()
        if failure is not None:
            await self._bury(record, repr(failure))
        result = "applied" if failure is None else "dead_lettered"
        metrics.EVENTS_CONSUMED.labels(envelope.type, result).inc()

    async def _failure(self, envelope: Envelope, handler: EventHandler) -> Exception | None:
        """Apply `handler`; give the error that no repeat will cure, if there is one."""
        try:
            await self._three_times(envelope, handler)
        except Outage:
            raise
        except Exception as error:
            log.exception("event_failed", type=envelope.type)
            return error
        return None

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

        Waits out outages and the limit: a record must not be skipped before its copy is safe.
        """
        async for attempt in _until_outages_end(lambda state: _tell_retry(LETTER_TYPE, state)):
            with attempt:
                self._limit.take()
        await self._bury(record, reason)

    async def _bury(self, record: Record, reason: str) -> None:
        log.error("event_buried", topic=record.topic, reason=reason[:REASON_LENGTH])
        letter = letter_of(record, reason=reason, source=self._source)
        for each in (letter, shortened(letter)):
            try:
                await self._send(each)
            except UnsendableEvent:
                # The topic it came from still has it; the place must not be lost as well.
                log.exception("letter_unsendable", id=each.id)
            else:
                return

    async def _send(self, letter: Envelope) -> None:
        async for attempt in _until_outages_end(lambda state: _tell_retry(LETTER_TYPE, state)):
            with attempt:
                await self._producer.send(self._topic, letter)


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


def _tell_retry(event_type: str, state: RetryCallState) -> None:
    cause = state.outcome.exception() if state.outcome else None
    if isinstance(cause, LimitReached):
        metrics.EVENTS_CONSUMED.labels(event_type, "held").inc()
        log.error("dead_letter_limit_reached", type=event_type, cause=str(cause))
    else:
        metrics.EVENTS_CONSUMED.labels(event_type, "retried").inc()
        log.warning("event_retried", type=event_type, cause=str(cause))
