"""Every kind of finding is found where it was planted, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from bson import ObjectId
from documents import CONTENT, DAY, World, digest, hook_of, name_of
from pymongo import AsyncMongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from tonearm_chassis.mongo import Document
from tonearm_operations.audit import Audit
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.stores import Stores

MINUTE = timedelta(seconds=60)

Plant = Callable[[World], Awaitable[object]]


async def no_pause(_seconds: float) -> None:
    """Stand in for the pause before the second look."""


async def found(world: World, grace: timedelta = MINUTE) -> set[tuple[Kind, str, str]]:
    findings = await Audit(world.stores, grace=grace, sleep=no_pause).run()
    return {each.key for each in findings}


async def test_a_healthy_system_has_no_findings(world: World) -> None:
    assert await found(world) == set()


async def test_an_empty_store_has_no_findings(world: World) -> None:
    for name in ("conversions", "videos"):
        await world.stores.gateway[name].delete_many({})
    notices = (world.stores.deliveries, world.stores.webhook_deliveries)
    for collection in (world.stores.claims, world.stores.checkpoints, *notices):
        await collection.delete_many({})
    for bucket in (world.stores.videos, world.stores.audio):
        await bucket["fs.files"].delete_many({})
        await bucket["fs.chunks"].delete_many({})

    assert await found(world) == set()


async def drop_chunk(world: World) -> None:
    chunk = {"files_id": name_of("succeeded audio"), "n": 1}
    await world.stores.audio["fs.chunks"].delete_one(chunk)


async def shorten_chunk(world: World) -> None:
    chunk = {"files_id": name_of("succeeded video"), "n": 0}
    await world.stores.videos["fs.chunks"].update_one(chunk, {"$set": {"data": b"012"}})


async def drop_last_chunk(world: World) -> None:
    chunk = {"files_id": name_of("succeeded audio"), "n": 2}
    await world.stores.audio["fs.chunks"].delete_one(chunk)


async def renumber_chunk(world: World) -> None:
    chunk = {"files_id": name_of("succeeded audio"), "n": 2}
    await world.stores.audio["fs.chunks"].update_one(chunk, {"$set": {"n": 7}})


def cut_otherwise(*sizes: int) -> Plant:
    """Cut a file at other places than GridFS does; its length stays."""

    async def cut(world: World) -> None:
        chunks = world.stores.videos["fs.chunks"]
        for number, size in enumerate(sizes):
            chunk = {"files_id": name_of("succeeded video"), "n": number}
            await chunks.update_one(chunk, {"$set": {"data": b"x" * size}})

    return cut


async def drop_all_chunks(world: World) -> None:
    await world.stores.videos["fs.chunks"].delete_many({"files_id": name_of("failed video")})


async def shorten_audio(world: World) -> None:
    conversions, claims = world.stores.conversions, world.stores.claims
    await world.change(conversions, "succeeded", **{"audio.size_bytes": 9})
    await world.change(claims, "succeeded", **{"outcome.stored.size_bytes": 9})


async def lose_workers(world: World) -> None:
    # What held a lease is over; the one that waits is alone, and nobody works.
    await world.stores.conversions.delete_one({"_id": name_of("running")})
    await world.stores.claims.delete_one({"_id": name_of("running")})
    await world.stores.checkpoints.delete_many({})
    await world.stores.ledger.delete_one({"_id": name_of("running video")})
    await world.remove_file(world.stores.videos, "running video")
    await world.remove_file(world.stores.audio, "running audio")


async def leave_due(world: World) -> None:
    await world.change(world.stores.deliveries, "failed", state="PENDING", settled_at=None)


async def leave_webhook_due(world: World) -> None:
    await world.change(
        world.stores.webhook_deliveries, "succeeded", state="PENDING", settled_at=None
    )


async def leave_upload(world: World) -> None:
    await world.entry("stalled", state="RECEIVING", touch_time=world.past, users=[])
    await world.chunks(world.stores.videos, name_of("stalled video"), CONTENT[:8])


async def end_unnoticed(world: World) -> None:
    outcome = {"reason": "NO_AUDIO", "end_time": world.past}
    await world.change(world.stores.claims, "waiting", state="FAILED", outcome=outcome)


async def promise(world: World) -> None:
    entry = {**world.promise("NotificationDelivered", world.past), "id": "entry"}
    await world.change(world.stores.deliveries, "succeeded", outbox=[entry])


async def promise_start(world: World) -> None:
    entry = {**world.promise("ConversionStarted", world.past), "id": "entry"}
    await world.change(world.stores.claims, "running", outbox=[entry])


async def promise_request(world: World) -> None:
    entry = {**world.promise("ConversionRequested", world.past), "id": "entry"}
    await world.change(world.stores.conversions, "waiting", outbox=[entry])


ORPHAN = ObjectId("65f000000000000000000001")
CONVERSIONS, CLAIMS, NOTICES = "gateway.conversions", "converter.claims", "notifier.deliveries"
HOOKS = "notifier.webhook_deliveries"
LEDGER = "gateway.videos"

# What is planted, and the one finding that it makes: kind, store, id.
PLANTS: list[tuple[Plant, Kind, str, str]] = [
    (
        lambda w: w.chunks(w.stores.videos, ORPHAN, CONTENT),
        Kind.ORPHAN_CHUNKS, "videos", str(ORPHAN),
    ),
    (lambda w: w.chunks(w.stores.audio, "stray", CONTENT), Kind.ORPHAN_CHUNKS, "audio", "stray"),
    (drop_chunk, Kind.CHUNK_COUNT_WRONG, "audio", name_of("succeeded audio")),
    (drop_last_chunk, Kind.CHUNK_COUNT_WRONG, "audio", name_of("succeeded audio")),
    (renumber_chunk, Kind.CHUNK_COUNT_WRONG, "audio", name_of("succeeded audio")),
    (cut_otherwise(5, 3, 2), Kind.CHUNK_LENGTH_WRONG, "videos", name_of("succeeded video")),
    (cut_otherwise(4, 3, 3), Kind.CHUNK_LENGTH_WRONG, "videos", name_of("succeeded video")),
    (shorten_chunk, Kind.CHUNK_LENGTH_WRONG, "videos", name_of("succeeded video")),
    (drop_all_chunks, Kind.FILE_WITHOUT_CHUNKS, "videos", name_of("failed video")),
    (lambda w: w.file(w.stores.videos, "x"), Kind.VIDEO_FILE_UNREFERENCED, "videos", name_of("x")),
    (
        lambda w: w.remove_file(w.stores.videos, "failed video"),
        Kind.VIDEO_FILE_MISSING, LEDGER, name_of("failed video"),
    ),
    (
        leave_upload, Kind.VIDEO_UNFINISHED, LEDGER, name_of("stalled video"),
    ),
    (
        lambda w: w.change(w.stores.ledger, "failed video", users=[]),
        Kind.VIDEO_UNUSED, LEDGER, name_of("failed video"),
    ),
    (
        lambda w: w.change(w.stores.ledger, "failed video", users=["x"], unsettled=["x"]),
        Kind.VIDEO_UNSETTLED, LEDGER, name_of("failed video"),
    ),
    (
        lambda w: w.change(w.stores.conversions, "failed", video_expire_time=w.past),
        Kind.VIDEO_UNDISCARDED, CONVERSIONS, name_of("failed"),
    ),
    (
        lambda w: w.change(w.stores.conversions, "failed", video_released=True),
        Kind.VIDEO_USER_WRONG, LEDGER, name_of("failed video"),
    ),
    (
        lambda w: w.change(w.stores.ledger, "failed video", state="DISCARDED"),
        Kind.VIDEO_UNDISCARDED, LEDGER, name_of("failed video"),
    ),
    (
        lambda w: w.change(w.stores.ledger, "failed video", users=["nobody"]),
        Kind.VIDEO_USER_WRONG, LEDGER, name_of("failed video"),
    ),
    (
        lambda w: w.change(w.stores.ledger, "waiting video", users=[name_of("failed")]),
        Kind.CONVERSION_VIDEO_UNCLAIMED, CONVERSIONS, name_of("waiting"),
    ),
    (
        lambda w: w.stores.ledger.delete_one({"_id": name_of("waiting video")}),
        Kind.CONVERSION_VIDEO_UNCLAIMED, CONVERSIONS, name_of("waiting"),
    ),
    (
        lambda w: w.stores.claims.delete_one({"_id": name_of("waiting")}),
        Kind.CONVERSION_STUCK, CONVERSIONS, name_of("waiting"),
    ),
    (lose_workers, Kind.CONVERSION_STUCK, CONVERSIONS, name_of("waiting")),
    (
        lambda w: w.remove_file(w.stores.audio, "succeeded audio"),
        Kind.AUDIO_MISSING, CONVERSIONS, name_of("succeeded"),
    ),
    (shorten_audio, Kind.AUDIO_MISSING, CONVERSIONS, name_of("succeeded")),
    (lambda w: w.file(w.stores.audio, "x"), Kind.AUDIO_UNREFERENCED, "audio", name_of("x")),
    (
        lambda w: w.file(w.stores.audio, "expired audio"),
        Kind.AUDIO_UNDISCARDED, CONVERSIONS, name_of("expired"),
    ),
    (
        lambda w: w.change(w.stores.conversions, "succeeded", audio_expire_time=w.past),
        Kind.AUDIO_UNDISCARDED, CONVERSIONS, name_of("succeeded"),
    ),
    (
        lambda w: w.change(w.stores.claims, "cancelled", unsettled=1),
        Kind.CLAIM_UNSETTLED, CLAIMS, name_of("cancelled"),
    ),
    (
        lambda w: w.chunk("succeeded"),
        Kind.CHECKPOINT_LEFT, "converter.checkpoints", name_of("succeeded chunk"),
    ),
    (
        lambda w: w.chunk("nothing"),
        Kind.CHECKPOINT_LEFT, "converter.checkpoints", name_of("nothing chunk"),
    ),
    (
        lambda w: w.stores.claims.delete_one({"_id": name_of("succeeded")}),
        Kind.CLAIM_MISSING, CONVERSIONS, name_of("succeeded"),
    ),
    (
        lambda w: w.claim("x", state="FAILED"),
        Kind.CLAIM_WITHOUT_CONVERSION, CLAIMS, name_of("x"),
    ),
    (
        lambda w: w.change(w.stores.claims, "deleted", state="FAILED", create_time=w.past),
        Kind.CLAIM_WITHOUT_CONVERSION, CLAIMS, name_of("deleted"),
    ),
    (
        lambda w: w.change(w.stores.claims, "cancelled", state="RUNNING"),
        Kind.CLAIM_STILL_RUNNING, CONVERSIONS, name_of("cancelled"),
    ),
    (end_unnoticed, Kind.OUTCOME_MISMATCH, CONVERSIONS, name_of("waiting")),
    (
        lambda w: w.change(w.stores.claims, "cancelled", state="FAILED"),
        Kind.OUTCOME_MISMATCH, CONVERSIONS, name_of("cancelled"),
    ),
    (
        lambda w: w.change(w.stores.claims, "succeeded", **{"outcome.stored.sha256": digest(b"")}),
        Kind.OUTCOME_MISMATCH, CONVERSIONS, name_of("succeeded"),
    ),
    (
        lambda w: w.change(w.stores.claims, "failed", **{"outcome.reason": "TIMED_OUT"}),
        Kind.OUTCOME_MISMATCH, CONVERSIONS, name_of("failed"),
    ),
    (
        lambda w: w.stores.deliveries.delete_one({"_id": f"{name_of('failed')}:mail"}),
        Kind.NOTICE_MISSING, CONVERSIONS, name_of("failed"),
    ),
    (
        lambda w: w.change(w.stores.deliveries, "failed", outcome="SUCCEEDED"),
        Kind.NOTICE_MISMATCH, CONVERSIONS, name_of("failed"),
    ),
    (
        lambda w: w.delivery("running", outcome="SUCCEEDED"),
        Kind.NOTICE_MISMATCH, CONVERSIONS, name_of("running"),
    ),
    (
        lambda w: w.change(w.stores.conversions, "failed", notified=False),
        Kind.NOTICE_MISMATCH, CONVERSIONS, name_of("failed"),
    ),
    (
        lambda w: w.delivery("x", outcome="FAILED"),
        Kind.DELIVERY_WITHOUT_CONVERSION, NOTICES, f"{name_of('x')}:mail",
    ),
    (leave_due, Kind.DELIVERY_STUCK, NOTICES, f"{name_of('failed')}:mail"),
    (
        lambda w: w.webhook_delivery("x", outcome="FAILED"),
        Kind.DELIVERY_WITHOUT_CONVERSION, HOOKS, hook_of("x"),
    ),
    (leave_webhook_due, Kind.DELIVERY_STUCK, HOOKS, hook_of("succeeded")),
    (
        lambda w: w.stores.webhook_deliveries.delete_one({"_id": hook_of("succeeded")}),
        Kind.WEBHOOK_UNRECORDED, NOTICES, f"{name_of('succeeded')}:mail",
    ),
    (
        lambda w: w.change(w.stores.conversions, "cancelled", confirmed=[]),
        Kind.CANCELLATION_UNCONFIRMED, CONVERSIONS, name_of("cancelled"),
    ),
    (
        lambda w: w.change(w.stores.conversions, "deleted", confirmed=["CONVERTER"]),
        Kind.DELETION_UNCONFIRMED, CONVERSIONS, name_of("deleted"),
    ),
    (promise, Kind.OUTBOX_UNSENT, NOTICES, f"{name_of('succeeded')}:mail/entry"),
    (promise_start, Kind.OUTBOX_UNSENT, CLAIMS, f"{name_of('running')}/entry"),
    (promise_request, Kind.OUTBOX_UNSENT, CONVERSIONS, f"{name_of('waiting')}/entry"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("plant", "kind", "store", "document_id"),
    PLANTS,
    ids=[f"{number}-{kind}" for number, (_, kind, _, _) in enumerate(PLANTS)],
)
async def test_what_is_planted_is_found_and_nothing_else(
    world: World, plant: Plant, kind: Kind, store: str, document_id: str
) -> None:
    await plant(world)

    assert await found(world) == {(kind, store, document_id)}


async def test_a_long_upload_is_judged_by_its_bytes_and_not_by_its_entry(world: World) -> None:
    await world.entry("long", state="RECEIVING", touch_time=world.past, users=[])
    await world.chunks(world.stores.videos, name_of("long video"), CONTENT[:8], timedelta())

    assert await found(world) == set()


async def test_chunks_of_half_an_upload_are_no_orphans_beside_it(world: World) -> None:
    await world.entry("slow", state="RECEIVING", touch_time=world.now, users=[])
    await world.chunks(world.stores.videos, name_of("slow video"), CONTENT[:8])

    assert await found(world) == set()


async def test_chunks_that_the_holder_of_a_claim_stores_slowly_are_no_orphans(world: World) -> None:
    await world.stores.audio["fs.files"].delete_one({"_id": name_of("running audio")})

    assert await found(world) == set()


async def test_a_conversion_that_rests_after_many_losses_is_not_stuck(world: World) -> None:
    await lose_workers(world)
    ended = world.now - timedelta(seconds=100)
    await world.change(
        world.stores.claims, "waiting", owner="somebody", lease_until=ended, losses=10
    )

    # It rests for 256 s; nobody else has work.
    assert await found(world) == set()


async def test_a_suspect_that_waits_for_a_worker_with_nothing_else_to_do_is_not_stuck(
    world: World,
) -> None:
    await world.change(
        world.stores.claims,
        "waiting",
        owner="somebody",
        lone_owner="somebody",
        lease_until=world.past,
        losses=3,
        losses_alone=1,
    )

    # Others are at work.
    assert await found(world) == set()


async def test_a_notice_that_rests_is_not_stuck_though_nobody_sends(world: World) -> None:
    await world.change(
        world.stores.deliveries,
        "failed",
        state="PENDING",
        not_before=world.now + timedelta(hours=1),
    )

    assert await found(world) == set()


async def test_audio_that_is_about_to_be_cleaned_up_is_accounted_for(world: World) -> None:
    stray = await world.file(world.stores.audio, "stray")
    await world.change(
        world.stores.claims, "cancelled", unsettled=1, end_time=world.now, left_behind=[stray]
    )

    assert await found(world) == set()


async def test_an_end_that_nobody_heard_of_is_not_called_stuck_as_well(world: World) -> None:
    await lose_workers(world)
    await end_unnoticed(world)

    assert await found(world) == {(Kind.OUTCOME_MISMATCH, CONVERSIONS, name_of("waiting"))}


async def test_a_conversion_that_waits_while_others_run_is_not_stuck(
    world: World,
) -> None:
    await lose_workers(world)
    outcome = {"reason": "NO_AUDIO", "end_time": world.now}
    await world.change(world.stores.claims, "failed", outcome=outcome)

    assert await found(world) == set()


async def test_a_conversion_whose_video_is_gone_is_found(world: World) -> None:
    await world.remove_file(world.stores.videos, "waiting video")

    # The ledger misses the file as well.
    assert await found(world) == {
        (Kind.CONVERSION_VIDEO_MISSING, CONVERSIONS, name_of("waiting")),
        (Kind.VIDEO_FILE_MISSING, LEDGER, name_of("waiting video")),
    }


def test_every_kind_is_planted() -> None:
    planted = {kind for _, kind, _, _ in PLANTS}

    assert planted | {Kind.CONVERSION_VIDEO_MISSING} == set(Kind)


# What may be under way, and is too young to be judged: nothing is found within a longer grace.
YOUNG = [
    Kind.ORPHAN_CHUNKS, Kind.VIDEO_FILE_UNREFERENCED, Kind.VIDEO_UNFINISHED, Kind.VIDEO_UNUSED,
    Kind.VIDEO_UNDISCARDED, Kind.VIDEO_USER_WRONG, Kind.CONVERSION_STUCK,
    Kind.AUDIO_UNREFERENCED, Kind.CLAIM_MISSING,
    Kind.CLAIM_WITHOUT_CONVERSION, Kind.CLAIM_STILL_RUNNING, Kind.CLAIM_UNSETTLED,
    Kind.VIDEO_UNSETTLED, Kind.NOTICE_MISSING, Kind.CHECKPOINT_LEFT,
    Kind.DELIVERY_WITHOUT_CONVERSION, Kind.DELIVERY_STUCK, Kind.WEBHOOK_UNRECORDED,
    Kind.CANCELLATION_UNCONFIRMED,
    Kind.DELETION_UNCONFIRMED, Kind.OUTBOX_UNSENT,
]  # fmt: skip


@pytest.mark.parametrize(
    "plant",
    [plant for plant, kind, _, _ in PLANTS if kind in YOUNG],
    ids=[f"{number}-{kind}" for number, (_, kind, _, _) in enumerate(PLANTS) if kind in YOUNG],
)
async def test_what_is_younger_than_the_grace_is_not_judged(world: World, plant: Plant) -> None:
    await plant(world)

    assert await found(world, grace=timedelta(hours=2)) == set()


async def test_what_is_gone_at_the_second_look_is_no_finding(world: World) -> None:
    await world.file(world.stores.audio, "x")

    async def finish(_seconds: float) -> None:
        await world.remove_file(world.stores.audio, "x")

    assert await Audit(world.stores, grace=MINUTE, sleep=finish).run() == []


async def test_memory_stays_bounded_by_remembering_no_more_than_so_many(world: World) -> None:
    for number in range(7):
        await world.file(world.stores.audio, f"stray {number}")

    findings = await Audit(world.stores, grace=MINUTE, sleep=no_pause, most=3).run()

    assert len(findings) == 3


async def test_more_files_than_a_batch_holds_are_all_looked_at(world: World) -> None:
    await world.stores.audio["fs.chunks"].insert_many(
        [
            {"_id": world.made(DAY), "files_id": f"stray-{number}", "n": n, "data": b"0"}
            for number in range(1100)
            for n in range(2)
        ]
    )

    findings = await found(world)

    assert len(findings) == 1100
    assert {kind for kind, _, _ in findings} == {Kind.ORPHAN_CHUNKS}


def test_a_finding_is_a_line_for_people_and_one_for_programs() -> None:
    finding = Finding(Kind.ORPHAN_CHUNKS, "videos", "abc", "2 chunks")

    assert finding.line() == "orphan_chunks videos abc: 2 chunks"
    assert '"kind": "orphan_chunks"' in finding.json_line()


READING = {"aggregate", "find", "getMore", "hello", "killCursors", "listCollections", "endSessions"}


class Commands(CommandListener):
    """Remembers the names of all commands that a client sends."""

    def __init__(self) -> None:
        """Begin with none."""
        self.names: set[str] = set()

    def started(self, event: CommandStartedEvent) -> None:
        """Remember one."""
        self.names.add(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing."""


async def test_an_audit_only_reads(world: World, mongodb_uri: str) -> None:
    await world.file(world.stores.audio, "x")
    commands = Commands()

    async with AsyncMongoClient[Document](mongodb_uri, event_listeners=[commands]) as client:
        findings = await Audit(Stores.of(client), grace=MINUTE, sleep=no_pause).run()

    assert findings
    assert commands.names <= READING
