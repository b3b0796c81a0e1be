"""The world around a converter, by hand."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from converter_service.adapters.disk import disk_errors
from converter_service.domain import (
    ALONE_AFTER,
    Attempts,
    AudioFile,
    AudioId,
    CalledOff,
    Claim,
    ClaimLost,
    ConversionId,
    DecodedAudio,
    DueOrder,
    EncodeReport,
    Ending,
    Measured,
    Options,
    Order,
    Outcome,
    Recipe,
    Setback,
    Source,
    SourceAudio,
    StoredAudio,
    Succeeded,
    Track,
    VideoId,
    VideoLost,
    Waveform,
    WorkId,
)
from converter_service.engine.checkpoints import path_of
from converter_service.ports import Checkpoints, Progress, Standing, Workplace
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage, StorageFull
from tonearm_chassis.testing.clock import FakeClock

LEASE_SECONDS = 15.0
VIDEO = b"a video"
CONFIRMATIONS = {
    Ending.CANCELLED: "CancellationConfirmed",
    Ending.DELETED: "DeletionConfirmed",
}
DEFAULT = Options()
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def order(
    number: int = 1,
    video: bytes = VIDEO,
    options: Options = DEFAULT,
    fence_floor: int = 0,
) -> Order:
    """Make an order; each number is a conversion of its own, later than the ones before."""
    return Order(
        conversion_id=ConversionId(f"{number:032x}"),
        video_id=VideoId(f"video-{number}"),
        size_bytes=len(video),
        sha256=hashlib.sha256(video).hexdigest(),
        options=options,
        create_time=CREATED.replace(microsecond=number * 1000),
        fence_floor=fence_floor,
    )


@dataclass(slots=True)
class _Record:
    order: Order
    fence: int = 0
    owner: str = ""
    is_alone: bool = False
    lease_until: float = 0.0
    attempts: Attempts = field(default_factory=Attempts)
    left_behind: set[AudioId] = field(default_factory=set)
    outcome: Outcome | None = None
    ending: Ending | None = None
    calls: int = 0
    ended_at: datetime = CREATED

    @property
    def over(self) -> bool:
        return self.ending is not None or self.outcome is not None

    @property
    def losses(self) -> int:
        return self.attempts.losses + bool(self.owner)

    @property
    def kept(self) -> AudioId | None:
        return self.outcome.stored.audio_id if isinstance(self.outcome, Succeeded) else None


class InMemoryClaimStore:
    """A `ClaimStore` and `TombstoneStore` whose server time is a clock's."""

    def __init__(self, clock: Clock, lease_seconds: float = LEASE_SECONDS) -> None:
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._records: dict[ConversionId, _Record] = {}
        self.promised: list[tuple[str, int]] = []
        self.letters: list[str] = []
        self.outages = 0
        self.looks = 0

    async def claim(self, order: Order, owner: str, *, is_alone: bool = False) -> Claim | Standing:
        record = self._record(order)
        if record.over:
            return Standing.OVER
        if self._is_due(record) and (is_alone or record.losses < ALONE_AFTER):
            self._take(record, order, owner)
            record.is_alone = is_alone
        elif record.owner != owner:
            return Standing.HELD
        record.lease_until = self._clock.monotonic() + self._lease_seconds
        return Claim(order, record.fence, owner, record.attempts, frozenset(record.left_behind))

    def _take(self, record: _Record, order: Order, owner: str) -> None:
        if record.owner:
            losses_alone = record.attempts.losses_alone + record.is_alone
            record.attempts = replace(
                record.attempts, losses=record.losses, losses_alone=losses_alone
            )
        record.order = order
        record.fence = max(record.fence, order.fence_floor) + 1
        record.owner = owner

    def _is_due(self, record: _Record) -> bool:
        rest = 0.0
        if record.owner and record.attempts.losses > 2:
            rest = 2.0 * 2.0 ** min(record.attempts.losses - 3, 7)
        return record.lease_until + rest <= self._clock.monotonic()

    async def leave(self, order: Order) -> Literal[Standing.OVER] | None:
        record = self._record(order)
        if record.over:
            return Standing.OVER
        floor = max(record.order.fence_floor, order.fence_floor)
        record.order = replace(record.order, fence_floor=floor)
        return None

    async def due(self, limit: int) -> list[DueOrder]:
        self._fail()
        due = [
            DueOrder(record.order, goes_alone=record.losses >= ALONE_AFTER)
            for record in self._records.values()
            if not record.over and self._is_due(record)
        ]
        return sorted(due, key=lambda each: each.order.create_time)[:limit]

    async def due_orders(self) -> list[Order]:
        return [each.order for each in await self.due(10)]

    async def announce_start(self, claim: Claim, start_time: datetime) -> None:  # noqa: ARG002 - the port has it
        self._mine(claim)
        self.promised.append(("ConversionStarted", claim.fence))

    async def name_audio(self, claim: Claim) -> AudioId:
        record = self._mine(claim)
        audio_id = AudioId(uuid.uuid4().hex)
        record.left_behind.add(audio_id)
        return audio_id

    async def look(self, claim: Claim) -> None:
        self.looks += 1
        self._fail()
        if not self._is_recorded(claim):
            self._mine(claim)

    async def renew(self, claim: Claim) -> None:
        self._fail()
        if not self._is_recorded(claim):
            self._mine(claim).lease_until = self._clock.monotonic() + self._lease_seconds

    async def finish(self, claim: Claim, outcome: Outcome, *, letter_reason: str = "") -> None:
        self._fail()
        if self._is_recorded(claim):
            return
        record = self._mine(claim)
        record.outcome = outcome
        record.lease_until = 0.0
        self.promised.append((_event(outcome), claim.fence))
        if letter_reason:
            self.promised.append(("dead-letter", 0))
            self.letters.append(letter_reason)

    async def announce_end(self, conversion_id: ConversionId, fence_floor: int) -> None:
        self._fail()
        record = self._records.get(conversion_id)
        if record is None or record.calls:
            return
        if record.ending:
            self.promised.append((CONFIRMATIONS[record.ending], 0))
        elif record.outcome:
            record.fence = max(record.fence, fence_floor)
            self.promised.append((_event(record.outcome), record.fence))

    async def release(self, claim: Claim, setback: Setback) -> bool:
        try:
            record = self._mine(claim)
        except ClaimLost:
            record = self._records[claim.order.conversion_id]
            if record.ending and record.owner == claim.owner:
                record.owner = ""
            return False
        record.owner = ""
        record.attempts = claim.attempts.after(setback)
        record.lease_until = self._clock.monotonic() + record.attempts.rest_seconds(setback)
        return True

    async def call_off(self, conversion_id: ConversionId, ending: Ending) -> None:
        self._fail()
        record = self._records.setdefault(
            conversion_id, _Record(replace(order(), conversion_id=conversion_id))
        )
        if record.ending is not Ending.DELETED:
            record.ending = ending
        record.calls += 1
        record.ended_at = self._clock.now()

    async def unsettled(self, limit: int) -> list[CalledOff]:
        self._fail()
        now = self._clock.monotonic()
        return [
            CalledOff(
                conversion_id,
                record.ending,
                record.fence,
                frozenset(record.left_behind | ({record.kept} if record.kept else set())),
                record.calls,
            )
            for conversion_id, record in self._records.items()
            if record.ending and record.calls and (not record.owner or record.lease_until <= now)
        ][:limit]

    async def settle(self, called_off: CalledOff) -> None:
        self._fail()
        record = self._records[called_off.conversion_id]
        if record.ending != called_off.ending or record.calls != called_off.call:
            return
        self._records[called_off.conversion_id] = _Record(
            record.order, fence=record.fence, ending=record.ending, ended_at=record.ended_at
        )
        self.promised.append((CONFIRMATIONS[called_off.ending], 0))

    async def forget(self, before: datetime) -> int:
        self._fail()
        old = [
            conversion_id
            for conversion_id, record in self._records.items()
            if record.ending and not record.calls and record.ended_at < before
        ]
        for conversion_id in old:
            del self._records[conversion_id]
        return len(old)

    async def unwanted(self, files: Collection[AudioFile]) -> list[AudioId]:
        self._fail()
        return [
            file.audio_id
            for file in files
            if (record := self._records.get(file.conversion_id)) and not _is_wanted(file, record)
        ]

    async def held(self, audio_ids: Collection[AudioId]) -> set[AudioId]:
        self._fail()
        running = [record for record in self._records.values() if not record.over]
        held = {name for record in running for name in record.left_behind}
        held |= {record.kept for record in self._records.values() if record.kept}
        return held & set(audio_ids)

    def outcome(self, conversion_id: ConversionId) -> Outcome | None:
        return self._records[conversion_id].outcome

    def restore(self, conversion_id: ConversionId, fence: int, owner: str) -> None:
        """Do what restoring an old backup does."""
        record = self._records[conversion_id]
        record.fence, record.owner, record.outcome = fence, owner, None

    def attempts(self, conversion_id: ConversionId) -> Attempts:
        return self._records[conversion_id].attempts

    def _record(self, order: Order) -> _Record:
        self._fail()
        return self._records.setdefault(order.conversion_id, _Record(order))

    def _mine(self, claim: Claim) -> _Record:
        self._fail()
        record = self._records[claim.order.conversion_id]
        if record.over or (record.fence, record.owner) != (claim.fence, claim.owner):
            raise ClaimLost
        return record

    def _is_recorded(self, claim: Claim) -> bool:
        record = self._records[claim.order.conversion_id]
        return record.ending is None and record.outcome is not None and record.owner == claim.owner

    def _fail(self) -> None:
        if self.outages:
            self.outages -= 1
            raise Outage("claims: away")


class InMemoryGiveUps:
    """A `GiveUps` whose hour is a clock's."""

    def __init__(self, clock: Clock, per_hour: int = 10) -> None:
        self._clock = clock
        self._per_hour = per_hour
        self._given_up: dict[ConversionId, float] = {}

    async def take(self, conversion_id: ConversionId) -> bool:
        now = self._clock.monotonic()
        self._given_up = {each: at for each, at in self._given_up.items() if at > now - 3600}
        if conversion_id not in self._given_up and len(self._given_up) < self._per_hour:
            self._given_up[conversion_id] = now
        return conversion_id in self._given_up


def _is_wanted(file: AudioFile, record: _Record) -> bool:
    if record.ending:
        return False
    if file.audio_id == record.kept:
        return True
    if file.audio_id in record.left_behind:
        return not record.over
    return file.fence >= record.fence


def _event(outcome: Outcome) -> str:
    return f"Conversion{type(outcome).__name__}"


class InMemoryVideoStore:
    """A `VideoStore` with one video for everybody, or none."""

    def __init__(self, video: bytes | None = VIDEO) -> None:
        self.video = video
        self.outages = 0

    async def copy(self, order: Order, target: Path) -> None:
        if self.outages:
            self.outages -= 1
            raise Outage("videos: away")
        if self.video is None or hashlib.sha256(self.video).hexdigest() != order.sha256:
            raise VideoLost
        with disk_errors():
            await asyncio.to_thread(target.write_bytes, self.video)


class InMemoryAudioStore:
    """An `AudioStore` in a dictionary."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or FakeClock()
        self.files_of: dict[AudioId, AudioFile] = {}
        self.files: dict[AudioId, bytes] = {}
        self.stored_at: dict[AudioId, datetime] = {}
        self.waveforms: dict[AudioId, Waveform | None] = {}
        self.halves: dict[AudioId, datetime] = {}
        self.outages = 0
        self.is_full = False
        self.asked_for: list[AudioId] = []

    async def put(
        self, audio_id: AudioId, claim: Claim, source: Path, waveform: Waveform | None = None
    ) -> StoredAudio:
        self.asked_for.append(audio_id)
        self._fail()
        if self.is_full:
            raise StorageFull("audio: full")
        content = await asyncio.to_thread(source.read_bytes)
        self.keep(audio_id, content, claim.order.conversion_id, claim.fence)
        self.waveforms[audio_id] = waveform
        return StoredAudio(audio_id, len(content), hashlib.sha256(content).hexdigest())

    def keep(
        self, audio_id: AudioId, content: bytes, conversion_id: ConversionId, fence: int
    ) -> None:
        """Plant a file."""
        self.files[audio_id] = content
        self.files_of[audio_id] = AudioFile(audio_id, conversion_id, fence)
        self.stored_at[audio_id] = self._clock.now()

    async def remove(self, audio_ids: Collection[AudioId]) -> None:
        self._fail()
        for audio_id in audio_ids:
            self.files.pop(audio_id, None)
            self.files_of.pop(audio_id, None)
            self.waveforms.pop(audio_id, None)
            self.halves.pop(audio_id, None)

    async def remove_all(self, conversion_id: ConversionId) -> None:
        self._fail()
        await self.remove(
            [
                each.audio_id
                for each in self.files_of.values()
                if each.conversion_id == conversion_id
            ]
        )

    async def list_files(
        self, since: datetime | None, until: datetime
    ) -> AsyncIterator[list[AudioFile]]:
        self._fail()
        yield [
            file
            for file in self.files_of.values()
            if self.stored_at[file.audio_id] < until
            and (since is None or since <= self.stored_at[file.audio_id])
        ]

    async def fragments(self, older_than_seconds: float) -> list[AudioId]:
        self._fail()
        until = self._clock.now() - timedelta(seconds=older_than_seconds)
        return [audio_id for audio_id, moment in self.halves.items() if moment < until]

    def _fail(self) -> None:
        if self.outages:
            self.outages -= 1
            raise Outage("audio: away")


class InMemoryCheckpointStore:
    """A `CheckpointStore` in memory."""

    def __init__(self, clock: Clock) -> None:
        """Go by this clock."""
        self._clock = clock
        self._kept: dict[tuple[ConversionId, WorkId, int], tuple[bytes, datetime]] = {}
        self.fails: Exception | None = None

    async def keep(
        self, conversion_id: ConversionId, work: WorkId, number: int, chunk: Path
    ) -> None:
        self._fail()
        new = (await asyncio.to_thread(chunk.read_bytes), self._clock.now())
        self._kept.setdefault((conversion_id, work, number), new)

    async def fetch(self, conversion_id: ConversionId, work: WorkId, directory: Path) -> int:
        self._fail()
        found = {
            number: frames
            for (whose, of, number), (frames, _) in self._kept.items()
            if (whose, of) == (conversion_id, work)
        }
        for number, frames in found.items():
            path_of(directory, number).write_bytes(frames)
        return len(found)

    def numbers(self) -> set[int]:
        """Tell which chunks are kept, whosever they are."""
        return {number for _, _, number in self._kept}

    async def remove(self, conversion_id: ConversionId) -> None:
        self._fail()
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] != conversion_id}

    async def sweep(self, older_than_seconds: float) -> int:
        self._fail()
        before, count = self._clock.now() - timedelta(seconds=older_than_seconds), len(self._kept)
        self._kept = {key: kept for key, kept in self._kept.items() if kept[1] >= before}
        return count - len(self._kept)

    def _fail(self) -> None:
        if self.fails is not None:
            raise self.fails


def whole_audio(seconds: float) -> SourceAudio:
    """Make a track that is as long as it says."""
    return SourceAudio("mov", "aac", seconds, seconds, seconds, cut_off=False)


def source_of(audio: SourceAudio, *more: SourceAudio) -> Source:
    """Make a file with these tracks, in stereo."""
    tracks = tuple(Track(each, 44_100, 2) for each in (audio, *more))
    return Source(audio.container, tracks)


def recipe_of(seconds: float, options: Options = DEFAULT) -> Recipe:
    """Make a recipe for a file of one whole track."""
    return Recipe.of(options, source_of(whole_audio(seconds)))


async def _nothing() -> None:
    return


@dataclass(slots=True)
class FakeEngine:
    """An `Engine` that makes ten seconds of perfect audio, or raises what it is told."""

    name: str = "fake 1.0"
    source: Source = field(default_factory=lambda: source_of(whole_audio(10.0)))
    unreadable: Exception | None = None
    failures: list[Exception] = field(default_factory=list)
    while_encoding: Callable[[], object] = _nothing
    encoded: int = 0
    chunks: int = 0
    """So many there are in the audio."""
    encoded_chunks: list[int] = field(default_factory=list)

    async def inspect(self, source: Path) -> Source:  # noqa: ARG002 - the port has it
        if self.unreadable is not None:
            raise self.unreadable
        return self.source

    async def measure(self, source: Path, recipe: Recipe) -> Measured:  # noqa: ARG002 - the port has it
        return Measured(-20.0, 5.0, -3.0)

    async def encode(
        self,
        source: Path,  # noqa: ARG002 - the port has it
        target: Path,
        recipe: Recipe,
        progress: Progress,
        checkpoints: Checkpoints | None = None,
    ) -> EncodeReport:
        progress(recipe.seconds / 2)
        if checkpoints is not None:
            await asyncio.to_thread(self._encode_chunks, checkpoints)
        waiting = self.while_encoding()
        if asyncio.iscoroutine(waiting):
            await waiting
        if self.failures:
            raise self.failures.pop(0)
        self.encoded += 1
        await asyncio.to_thread(target.write_bytes, b"an MP3")
        progress(recipe.seconds)
        return EncodeReport(441_000, 44_100, 441_000)

    def _encode_chunks(self, checkpoints: Checkpoints) -> None:
        for number in range(self.chunks):
            path = path_of(checkpoints.directory, number)
            if not path.exists():
                path.write_bytes(b"chunk %d" % number)
                self.encoded_chunks.append(number)
                checkpoints.kept(number, path)

    async def decode(self, audio: Path, recipe: Recipe) -> DecodedAudio:  # noqa: ARG002 - the port has it
        return DecodedAudio(441_000, 441_000, 44_100, 2, -3.0)


class FakeWorkshop:
    """A `Workshop` in the test's own directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.full_from_look = 0
        """Which look at the disk is the first to find it full, counted from 1; 0: none."""
        self.wanted_bytes: list[int] = []
        self.opened = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Workplace]:
        self.opened += 1
        names = (f"{name}-{self.opened}" for name in ("video", "audio", "chunks"))
        place = Workplace(*(self._root / name for name in names))
        await asyncio.to_thread(place.chunks.mkdir)
        try:
            yield place
        finally:
            await asyncio.to_thread(shutil.rmtree, place.chunks)

    def require_space(self, wanted_bytes: int = 0) -> None:
        self.wanted_bytes.append(wanted_bytes)
        if 0 < self.full_from_look <= len(self.wanted_bytes):
            raise StorageFull("scratch: full")


@dataclass(slots=True)
class RecordedProgress:
    """A `ProgressChannel` that keeps what it hears."""

    heard: Callable[[float], object] = lambda _: None
    shares: list[float] = field(default_factory=list)

    def report(self, claim: Claim, share: float) -> None:  # noqa: ARG002 - the port has it
        self.shares.append(share)
        self.heard(share)
