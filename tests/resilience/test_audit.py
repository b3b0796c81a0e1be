"""The tools of an operator on a stack that runs: they find what is planted, and nothing else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from kafka import KafkaProducer
from media import make_silent_film, make_video
from pymongo import AsyncMongoClient
from rest_client import RestClient

from tonearm_local.stack import Stack

from .auditing import Leaks

SETTLED_SECONDS = 60.0
LETTER_SECONDS = 30.0
COMMAND_SECONDS = 60.0
NOTIFICATIONS_TOPIC = "tonearm.notifications.v1"

Databases = AsyncMongoClient[dict[str, Any]]

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Work:
    """Conversions that have ended, and the stack that they ended on."""

    stack: Stack
    succeeded: str
    failed: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a tool as `make` does."""
        tools = [sys.executable, "-m", "tonearm_operations", *arguments]
        directory = str(self.stack.directory.root)
        return subprocess.run(
            [sys.executable, "-m", "tonearm_local", "with", "--directory", directory, *tools],
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def settled(self) -> str:
        """Audit with hardly any grace until nothing is under way; give the last words."""
        deadline = time.monotonic() + SETTLED_SECONDS
        while (said := self.run("audit", "--grace-seconds", "0")).returncode:
            if time.monotonic() > deadline:
                return said.stdout + said.stderr
            time.sleep(1)
        return said.stdout


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    """Convert a video, fail at another, cancel one and delete one; on a stack of its own."""
    directory = tmp_path_factory.mktemp("audited")
    video = make_video(directory / "holiday.mp4", seconds=2)
    silent = make_silent_film(directory / "silent.mp4")
    with Stack(directory / "stack") as stack, RestClient(stack.url) as caller:
        caller.login(caller.register())
        succeeded = caller.converted(video)["id"]
        failed = caller.converted(silent)["id"]
        cancelled = caller.upload(video).json()["conversion"]["id"]
        caller.http.post(f"/v1/conversions/{cancelled}:cancel", json={})
        deleted = caller.converted(video)["id"]
        assert caller.http.delete(f"/v1/conversions/{deleted}").status_code == 200
        yield Work(stack, succeeded, failed)


@pytest.fixture
async def databases(work: Work) -> AsyncIterator[Databases]:
    """Reach into the stores."""
    async with AsyncMongoClient[dict[str, Any]](work.stack.mongodb_uri) as client:
        yield client


def kinds(said: str) -> set[tuple[str, str]]:
    """Read kind and id off the lines of findings."""
    *findings, _ = said.splitlines()
    return {(line.split()[0], line.split()[2].rstrip(":")) for line in findings}


def test_nothing_is_found_beside_work_that_is_under_way(work: Work, tmp_path: Path) -> None:
    video = make_video(tmp_path / "more.mp4", seconds=2)
    with RestClient(work.stack.url) as caller:
        caller.login(caller.register())
        uploaded = [caller.upload(video).json()["conversion"]["id"] for _ in range(3)]

        said = work.run("audit")
        for each in uploaded:
            caller.ended(each)

    assert said.stdout == "AUDIT findings=0\n", said.stderr
    assert said.returncode == 0


def test_nothing_is_left_once_the_work_is_done(work: Work) -> None:
    assert work.settled() == "AUDIT findings=0\n"


async def test_what_is_planted_in_the_live_stores_is_found(
    work: Work, databases: Databases
) -> None:
    assert await asyncio.to_thread(work.settled) == "AUDIT findings=0\n"
    past = datetime.now(UTC) - timedelta(hours=1)
    old = ObjectId(int(past.timestamp()).to_bytes(4, "big") + ObjectId().binary[4:])
    stray = {"_id": "stray", "length": 0, "chunkSize": 1, "uploadDate": past}
    entry = {
        "id": "entry", "topic": "no topic at all!", "type": "x", "key": "x", "payload": b"",
        "source": "x", "time": past, "traceparent": "", "extensions": [],
    }  # fmt: skip
    claim = {
        "_id": "0" * 32, "state": "FAILED", "fence": 1, "owner": "", "create_time": past,
        "outcome": {"reason": "NO_AUDIO", "message": "", "end_time": past}, "lease_until": past,
    }  # fmt: skip
    unsent = {"_id": f"{work.failed}:mail"}

    await databases["videos"]["fs.chunks"].insert_one(
        {"_id": old, "files_id": "orphan", "n": 0, "data": b"0"}
    )
    await databases["audio"]["fs.files"].insert_one(stray)
    await databases["converter"]["claims"].insert_one(claim)
    await databases["notifier"]["deliveries"].update_one(unsent, {"$push": {"outbox": entry}})
    conversion = await databases["gateway"]["conversions"].find_one({"_id": work.succeeded})
    assert conversion is not None
    audio = conversion["audio"]["id"]
    kept = await databases["audio"]["fs.files"].find_one({"_id": audio})
    assert kept is not None
    await databases["audio"]["fs.files"].delete_one({"_id": audio})
    said = await asyncio.to_thread(work.run, "audit", "--grace-seconds", "0")
    await databases["audio"]["fs.files"].insert_one(kept)
    await databases["audio"]["fs.files"].delete_one({"_id": "stray"})
    await databases["videos"]["fs.chunks"].delete_one({"_id": old})
    await databases["converter"]["claims"].delete_one({"_id": "0" * 32})
    await databases["notifier"]["deliveries"].update_one(
        unsent, {"$pull": {"outbox": {"id": "entry"}}}
    )

    assert said.returncode == 1
    assert kinds(said.stdout) == {
        ("orphan_chunks", "orphan"),
        ("orphan_chunks", audio),
        ("audio_missing", work.succeeded),
        ("audio_unreferenced", "stray"),
        ("claim_without_conversion", "0" * 32),
        ("outbox_unsent", f"{work.failed}:mail/entry"),
    }
    assert said.stdout.splitlines()[-1] == "AUDIT findings=6"
    assert await asyncio.to_thread(work.settled) == "AUDIT findings=0\n"


async def test_a_leak_is_put_down_to_the_test_after_which_it_was_there(
    work: Work, databases: Databases
) -> None:
    leaks = Leaks(work.stack.mongodb_uri)
    claims, ids = databases["converter"]["claims"], ["0" * 31 + digit for digit in "12"]
    claim = {"state": "FAILED", "fence": 1, "owner": "", "create_time": datetime.now(UTC)}

    for each in ids:
        await claims.insert_one({"_id": each, **claim})
        await asyncio.to_thread(leaks.look, f"test {each[-1]}")
    left = await asyncio.to_thread(leaks.left, grace_seconds=0, seconds=0)
    await claims.delete_many({"_id": {"$in": ids}})

    said = {line.split(":")[0].split()[-1]: line.partition(" - ")[2] for line in left}
    assert {each: said[each] for each in ids} == {
        each: f"first seen after test {each[-1]}" for each in ids
    }


def listed(work: Work, count: int) -> list[str]:
    """Wait until there are so many dead letters, and list them."""
    deadline = time.monotonic() + LETTER_SECONDS
    lines: list[str] = []
    while len(lines) < count and time.monotonic() < deadline:
        said = work.run("dead-letters", "list")
        assert said.returncode == 0, said.stderr
        lines = said.stdout.splitlines()
    return lines


def test_an_event_that_no_service_can_apply_is_listed_and_replayed(work: Work) -> None:
    headers = [
        ("ce_specversion", b"1.0"), ("ce_id", b"broken"), ("ce_source", b"/test"),
        ("ce_type", b"tonearm.events.v1.NotificationRequested"),
        ("ce_time", b"2026-01-02T03:04:05Z"), ("content-type", b"application/protobuf"),
    ]  # fmt: skip
    with closing(KafkaProducer(bootstrap_servers=work.stack.kafka_bootstrap_servers)) as producer:
        producer.send(NOTIFICATIONS_TOPIC, key=b"x", value=b"\xff", headers=headers).get(timeout=20)

    (letter,) = listed(work, 1)
    replayed = work.run("dead-letters", "replay", "--id", letter.split()[0])
    again = listed(work, 2)

    assert "tonearm.events.v1.NotificationRequested x: MalformedEvent" in letter
    assert replayed.returncode == 0, replayed.stderr
    # It is as broken as before, and came to the same end.
    assert len(again) == 2
    assert len({line.split()[0] for line in again}) == 2
