"""What becomes of events that cannot be applied, and when too many of them are."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from chassis_kafka import event
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tonearm_chassis.dead_letters import DeadLetterLimit, DeadLetters, LimitReached
from tonearm_chassis.envelope import Envelope, MalformedEvent
from tonearm_chassis.kafka_settings import KafkaSettings
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.events import InMemoryProducer

HOUR = 3600.0


@dataclass
class Taken:
    """A record as a consumer has it."""

    value: bytes | None
    topic: str = "topic"
    partition: int = 0
    offset: int = 0
    key: bytes | None = b"k"
    headers: list[tuple[str, bytes]] = field(default_factory=list)


class Bench:
    """Dead letters with a limit, and a handler that fails as long as the test likes."""

    def __init__(self, per_hour: int) -> None:
        """Allow so many letters."""
        self.clock = FakeClock()
        self.producer = InMemoryProducer()
        limit = DeadLetterLimit(per_hour, self.clock)
        self.letters = DeadLetters(self.producer, topic="dead", source="/test", limit=limit)
        self.tries = 0
        self.hour_passes_at = 0
        self.cured_at = 0

    async def handle(self, envelope: Envelope) -> None:
        """Fail, until it is cured; the hour passes at a try of the test's choice."""
        self.tries += 1
        if self.tries == self.hour_passes_at:
            self.clock.advance(HOUR)
        if not self.cured_at or self.tries < self.cured_at:
            raise MalformedEvent(envelope.type)

    async def apply(self, name: str) -> None:
        """Take an event."""
        envelope = event(name)
        record = Taken(envelope.payload, headers=envelope.headers())
        await self.letters.guard(record, envelope, self.handle)

    @property
    def buried(self) -> list[bytes]:
        """What was set aside."""
        return [envelope.payload for _, envelope in self.producer.sent]


def held() -> float:
    labels = {"type": "tonearm.test.Happened", "result": "held"}
    return REGISTRY.get_sample_value("tonearm_events_consumed_total", labels) or 0.0


def test_the_limit_is_one_of_any_hour() -> None:
    clock = FakeClock()
    limit = DeadLetterLimit(2, clock)
    limit.take()
    clock.advance(HOUR / 2)
    limit.take()
    clock.advance(HOUR / 2 - 1)
    with pytest.raises(LimitReached):
        limit.take()

    clock.advance(1)
    limit.take()  # the first one is an hour old
    with pytest.raises(LimitReached):
        limit.take()
    clock.advance(HOUR / 2)
    limit.take()  # and now the second


async def test_below_the_limit_poison_is_set_aside_at_once() -> None:
    bench = Bench(per_hour=2)

    await bench.apply("a")
    await bench.apply("b")

    assert (bench.buried, bench.tries) == ([b"a", b"b"], 2)


async def test_over_the_limit_an_event_is_kept_and_tried_until_the_hour_has_passed() -> None:
    bench = Bench(per_hour=1)
    await bench.apply("a")
    bench.hour_passes_at = 4
    before = held()

    with capture_logs() as logs:
        await bench.apply("b")

    reached = [line for line in logs if line["event"] == "dead_letter_limit_reached"]
    assert (bench.buried, bench.tries) == ([b"a", b"b"], 4)
    assert held() - before == len(reached) == 2
    assert {line["log_level"] for line in reached} == {"error"}


async def test_an_event_that_is_kept_is_applied_once_the_fault_is_cured() -> None:
    bench = Bench(per_hour=1)
    await bench.apply("a")
    bench.cured_at = 4

    await bench.apply("b")

    assert (bench.buried, bench.tries) == ([b"a"], 4)


class ImpatientClock(FakeClock):
    """Lets an hour pass once it was asked often enough."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self.questions = questions

    def monotonic(self) -> float:
        self.questions -= 1
        return HOUR if self.questions < 0 else 0.0


async def test_a_record_that_is_no_event_is_kept_as_well() -> None:
    clock, producer = ImpatientClock(questions=3), InMemoryProducer()
    limit = DeadLetterLimit(1, clock)
    letters = DeadLetters(producer, topic="dead", source="/test", limit=limit)
    await letters.bury_record(Taken(b"\xfe"), "no event")

    await letters.bury_record(Taken(b"\xff"), "no event")

    assert [envelope.payload for _, envelope in producer.sent] == [b"\xfe", b"\xff"]
    assert clock.questions == -1


def test_the_limit_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "a:9092")
    assert KafkaSettings().dead_letters_per_hour == 100

    monkeypatch.setenv("DEAD_LETTERS_PER_HOUR", "7")
    assert KafkaSettings().dead_letters_per_hour == 7
