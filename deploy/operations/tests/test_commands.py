"""The commands say what they should, and end with the status they should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from documents import World
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_settings import KafkaAccess
from tonearm_chassis.kafka_topics import ensure_topics
from tonearm_operations.letter_topic import LetterTopic, records_up_to
from tonearm_operations.letters import LETTERS_TOPIC
from tonearm_operations.settings import AuditSettings, LetterSettings

NOBODY = "127.0.0.1:1"
REQUESTS_TOPIC = "tonearm.conversion-requests.v1"
EVENTS_TOPIC = "tonearm.conversion-events.v1"
SECONDS = 60.0
READ_MS = 20_000

Headers = list[tuple[str, bytes]]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these variables and no others."""
    return subprocess.run(
        [sys.executable, "-m", "tonearm_operations", *arguments],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.usefixtures("world")
def test_an_audit_of_a_healthy_system_says_0(mongodb_uri: str) -> None:
    said = run("audit", MONGODB_URI=mongodb_uri)

    assert said.stdout == "AUDIT findings=0\n", said.stderr
    assert said.returncode == 0


@pytest.fixture
async def stray(world: World) -> str:
    """Plant audio that nothing names."""
    return await world.file(world.stores.audio, "stray")


def test_a_finding_is_a_line_and_an_exit_status(mongodb_uri: str, stray: str) -> None:
    said = run("audit", MONGODB_URI=mongodb_uri)

    finding, end = said.stdout.splitlines()
    assert finding.startswith(f"audio_unreferenced audio {stray}: 10 bytes")
    assert end == "AUDIT findings=1"
    assert said.returncode == 1


def test_findings_are_json_for_programs(mongodb_uri: str, stray: str) -> None:
    said = run("audit", "--json", MONGODB_URI=mongodb_uri)

    finding, end = map(json.loads, said.stdout.splitlines())
    assert (finding["kind"], finding["store"], finding["id"]) == (
        "audio_unreferenced", "audio", stray,
    )  # fmt: skip
    assert end == {"findings": 1}


@pytest.mark.usefixtures("stray")
def test_a_longer_grace_leaves_time_to_whatever_is_under_way(mongodb_uri: str) -> None:
    said = run("audit", "--grace-seconds", "7200", MONGODB_URI=mongodb_uri)

    assert said.stdout == "AUDIT findings=0\n"


def test_an_audit_without_a_store_knows_nothing() -> None:
    uri = f"mongodb://{NOBODY}/?serverSelectionTimeoutMS=300"

    said = run("audit", MONGODB_URI=uri)

    assert said.returncode == 69
    assert said.stdout == ""
    assert said.stderr.startswith("Failed: mongodb:")


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [(["audit"], "MONGODB_URI"), (["dead-letters", "list"], "KAFKA_BOOTSTRAP_SERVERS")],
)
def test_a_missing_variable_is_named(arguments: list[str], variable: str) -> None:
    said = run(*arguments)

    assert said.returncode == 78
    assert said.stderr.startswith(f"{variable}: ")


@pytest.mark.parametrize("arguments", [["list"], ["replay", "--all"]])
def test_dead_letters_without_a_broker_end_soon(arguments: list[str]) -> None:
    said = run("dead-letters", *arguments, KAFKA_BOOTSTRAP_SERVERS=NOBODY)

    assert said.returncode == 69
    assert said.stderr.startswith("Failed: kafka:")


def letter(number: int, *, topic: str = REQUESTS_TOPIC, reason: str = "broken") -> Headers:
    """Write the headers of a letter as the chassis does."""
    original = {"ce_type": "tonearm.events.v1.ConversionRequested", "ce_id": f"event-{number}"}
    texts = {
        "ce_id": f"{topic}-0-{number}",
        "ce_type": "tonearm.dead-letter",
        "ce_reason": reason,
        "ce_origintopic": topic,
        "ce_originpartition": "0",
        "ce_originoffset": str(number),
        "ce_originheaders": json.dumps(original),
    }
    return [(name, text.encode()) for name, text in texts.items()]


def send(broker: str, records: Iterable[tuple[str, bytes | None, bytes | None, Headers]]) -> None:
    """Put records on topics."""
    producer = KafkaProducer(bootstrap_servers=broker, acks="all")
    for topic, key, value, headers in records:
        producer.send(topic, key=key, value=value, headers=headers).get(timeout=20)
    producer.close()


def records_of(broker: str, topic: str, *, since: int) -> list[tuple[object, object, Headers]]:
    """Read the one partition of a topic from an offset to its present end."""
    consumer = KafkaConsumer(bootstrap_servers=broker, consumer_timeout_ms=READ_MS)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    left = consumer.end_offsets([partition])[partition] - since
    consumer.seek(partition, since)
    found: list[tuple[object, object, Headers]] = []
    while len(found) < left:
        record = next(consumer)
        found.append((record.key, record.value, list(record.headers)))
    consumer.close()
    return found


def end_of(broker: str, topic: str) -> int:
    """Tell where a topic ends."""
    consumer = KafkaConsumer(bootstrap_servers=broker)
    partition = TopicPartition(topic, 0)
    end: int = consumer.end_offsets([partition])[partition]
    consumer.close()
    return end


@pytest.fixture(scope="module")
def letters(broker: str) -> str:
    """Fill the dead letters: two of requests, one of events, and three that are garbage."""
    access = KafkaAccess(broker, partitions=1)
    ensure_topics(access, [REQUESTS_TOPIC, EVENTS_TOPIC, LETTERS_TOPIC])
    send(
        broker,
        [
            (LETTERS_TOPIC, b"one", b"\x00first", letter(1)),
            (LETTERS_TOPIC, b"two", b"second", letter(2, reason="too many attempts")),
            (LETTERS_TOPIC, None, b"", []),
            (LETTERS_TOPIC, b"\xff\n", b"\x1b[2J", [("ce_id", b"\xfe")]),
            (LETTERS_TOPIC, b"four", b"x", [*letter(4)[:-1], ("ce_originheaders", b"{")]),
            (LETTERS_TOPIC, b"three", b"third", letter(3, topic=EVENTS_TOPIC)),
        ],
    )
    return broker


def test_a_topic_that_is_not_there_has_no_letters(broker: str) -> None:
    topic = LetterTopic(KafkaAccess(broker), topic="nobody.wrote.here")

    assert list(topic.letters()) == []


class SilentConsumer:
    """A consumer whose broker gives nothing, though it said that there is something."""

    def position(self, _partition: object, timeout_ms: int) -> int | None:
        """Say that nothing was read."""
        assert timeout_ms
        return None

    def poll(self, timeout_ms: int, max_records: int) -> dict[object, list[object]]:
        """Give nothing."""
        assert timeout_ms
        assert max_records
        return {}


def test_a_broker_that_gives_nothing_is_away() -> None:
    walk = records_up_to(SilentConsumer(), {TopicPartition("x", 3): 1}, silence_seconds=0)

    with pytest.raises(Outage, match="nothing came from \\[3\\]"):
        next(walk)


@dataclass
class Delivered:
    """A record as far as its place counts."""

    offset: int


class FastConsumer(SilentConsumer):
    """A consumer that gives more than there was when its topic's end was looked up."""

    read = 0

    def position(self, _partition: object, timeout_ms: int) -> int | None:
        """Say how far it has read."""
        assert timeout_ms
        return self.read

    def poll(self, timeout_ms: int, max_records: int) -> dict[object, list[object]]:
        """Give three records at once."""
        assert timeout_ms < max_records * timeout_ms
        self.read = 3
        return {TopicPartition("x", 3): [Delivered(each) for each in range(3)]}


def test_what_came_since_the_beginning_is_not_read() -> None:
    ends = {TopicPartition("x", 3): 2}

    assert [each.offset for each in records_up_to(FastConsumer(), ends, silence_seconds=1)] == [
        0,
        1,
    ]


def test_a_list_ends_where_the_topic_ended_when_it_began(broker: str) -> None:
    ensure_topics(KafkaAccess(broker, partitions=1), ["growing"])
    send(broker, [("growing", b"one", b"x", []), ("growing", b"two", b"x", [])])

    walk = LetterTopic(KafkaAccess(broker), topic="growing").letters()
    first = next(walk)
    send(broker, [("growing", b"three", b"x", [])])

    assert [each.key for each in (first, *walk)] == [b"one", b"two"]


def test_letters_are_listed_and_garbage_does_not_break_the_list(letters: str) -> None:
    said = run("dead-letters", "list", "--json", KAFKA_BOOTSTRAP_SERVERS=letters)

    told = [json.loads(line) for line in said.stdout.splitlines()]
    assert said.returncode == 0, said.stderr
    assert [each["conversion_id"] for each in told] == [
        "one",
        "two",
        "",
        "\ufffd\n",
        "four",
        "three",
    ]
    assert told[1]["reason"] == "too many attempts"
    assert told[5]["origin"] == f"{EVENTS_TOPIC}/0/3"
    assert told[2]["id"] == "0@2"


def test_a_list_can_be_short(letters: str) -> None:
    said = run("dead-letters", "list", "--limit", "2", KAFKA_BOOTSTRAP_SERVERS=letters)

    assert [line.split()[0] for line in said.stdout.splitlines()] == [
        f"{REQUESTS_TOPIC}-0-1", f"{REQUESTS_TOPIC}-0-2",
    ]  # fmt: skip


def test_a_replay_sends_the_original_record_where_it_came_from(letters: str) -> None:
    since = end_of(letters, REQUESTS_TOPIC)

    said = run(
        "dead-letters", "replay", "--id", f"{REQUESTS_TOPIC}-0-1", KAFKA_BOOTSTRAP_SERVERS=letters
    )

    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(f"Replayed {REQUESTS_TOPIC}-0-1 ")
    headers = [
        ("ce_type", b"tonearm.events.v1.ConversionRequested"), ("ce_id", b"event-1"),
    ]  # fmt: skip
    assert records_of(letters, REQUESTS_TOPIC, since=since) == [(b"one", b"\x00first", headers)]


def test_a_replay_of_all_says_what_it_could_not_send(letters: str) -> None:
    requests, events = end_of(letters, REQUESTS_TOPIC), end_of(letters, EVENTS_TOPIC)

    said = run("dead-letters", "replay", "--all", KAFKA_BOOTSTRAP_SERVERS=letters)

    assert said.returncode == 1
    assert said.stdout.count("Replayed ") == 3
    assert said.stderr.count("Not replayed: ") == 3
    assert [each[0] for each in records_of(letters, REQUESTS_TOPIC, since=requests)] == [
        b"one", b"two",
    ]  # fmt: skip
    assert [each[0] for each in records_of(letters, EVENTS_TOPIC, since=events)] == [b"three"]


def test_a_replay_can_be_chosen_by_its_reason(letters: str) -> None:
    since = end_of(letters, REQUESTS_TOPIC)

    said = run(
        *("dead-letters", "replay", "--all", "--reason-contains", "Too Many"),
        KAFKA_BOOTSTRAP_SERVERS=letters,
    )

    assert said.returncode == 0, said.stderr
    assert [each[0] for each in records_of(letters, REQUESTS_TOPIC, since=since)] == [b"two"]


def test_a_dry_run_sends_nothing(letters: str) -> None:
    since = end_of(letters, REQUESTS_TOPIC)

    said = run("dead-letters", "replay", "--all", "--dry-run", KAFKA_BOOTSTRAP_SERVERS=letters)

    assert said.stdout.count("Would replay ") == 3
    assert end_of(letters, REQUESTS_TOPIC) == since


def test_an_id_that_is_not_there_is_named(letters: str) -> None:
    said = run("dead-letters", "replay", "--id", "nothing", KAFKA_BOOTSTRAP_SERVERS=letters)

    assert said.returncode == 1
    assert said.stderr == "There is no letter nothing.\n"


@pytest.mark.parametrize("arguments", [[], ["--all", "--id", "x"], ["--reason-contains", "x"]])
def test_a_replay_must_be_told_which(arguments: list[str]) -> None:
    said = run("dead-letters", "replay", *arguments, KAFKA_BOOTSTRAP_SERVERS=NOBODY)

    assert said.returncode == 2
    assert "say which" in said.stderr


def test_the_readme_names_every_variable() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    fields = AuditSettings.model_fields | LetterSettings.model_fields

    rows = {f"| `{name.upper()}` | | {field.description} |" for name, field in fields.items()}
    assert rows <= set(readme.splitlines())
