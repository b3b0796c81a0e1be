"""A full scratch disk: whose fault it is (nobody's), what stays behind (nothing), how it ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from converter_fakes import (
    LEASE_SECONDS,
    InMemoryAudioStore,
    InMemoryCheckpointStore,
    InMemoryClaimStore,
    InMemoryGiveUps,
    InMemoryVideoStore,
    RecordedProgress,
    order,
    recipe_of,
)
from converter_media import MediaMaker

from converter_service.adapters.ffmpeg import FfmpegEngine
from converter_service.adapters.ffmpeg_log import found_disk_full
from converter_service.adapters.scratch import LEAST_FREE_BYTES, ScratchWorkshop
from converter_service.domain import (
    AttemptLimits,
    Attempts,
    Claim,
    Failed,
    FailureReason,
    Order,
    Succeeded,
)
from converter_service.use_cases.convert_video import ConvertVideo, Equipment
from converter_service.use_cases.suspicion import Suspicion
from tonearm_chassis.errors import Outage, StorageFull
from tonearm_chassis.testing.clock import FakeClock

MIB = 1024 * 1024
MOUNT, UMOUNT = "/bin/mount", "/bin/umount"
DISK_BYTES = 2 * LEAST_FREE_BYTES
SHORTAGE = Attempts(outages=1, shortages=1)


class Disk:
    """A small disk of its own that can be filled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._filler = root / "filler"

    def fill(self, leaving: int = 0) -> None:
        """Take all room but so many bytes."""
        with self._filler.open("ab") as file:
            free = os.statvfs(self.root).f_bavail * os.statvfs(self.root).f_frsize
            for _ in range(max(0, free - leaving) // 4096):
                file.write(b"x" * 4096)

    def empty(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """List what conversions left."""
        found = [path for path in self.root.rglob("*") if path.is_file()]
        return [path for path in found if path != self._filler]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip(reason="only root can mount a small disk")
    root = tmp_path / "disk"
    root.mkdir()
    mount = [MOUNT, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(root)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(reason=f"cannot mount a small disk: {mounted.stderr.strip()}")
    try:
        yield Disk(root)
    finally:
        subprocess.run([UMOUNT, str(root)], check=True)


def nothing() -> None:
    return


class Filling(InMemoryVideoStore):
    """Videos whose copies meet a disk that somebody fills at the worst moment."""

    def __init__(self, video: bytes) -> None:
        super().__init__(video)
        self.before: Callable[[], None] = nothing
        self.after: Callable[[], None] = nothing

    async def copy(self, order: Order, target: Path) -> None:
        self.before()
        await super().copy(order, target)
        self.after()


class World:
    """A converter with a real engine on a small disk."""

    def __init__(self, engine: FfmpegEngine, scratch: Path, video: bytes) -> None:
        self.clock = FakeClock()
        self.claims = InMemoryClaimStore(self.clock)
        self.audio = InMemoryAudioStore(self.clock)
        self.videos = Filling(video)
        self.order = order(video=video)
        self.workshop = ScratchWorkshop(scratch)
        self._convert = ConvertVideo(
            Equipment(
                self.clock,
                self.claims,
                self.videos,
                self.audio,
                InMemoryCheckpointStore(self.clock),
                engine,
                self.workshop,
                RecordedProgress(),
                Suspicion(self.clock),
                InMemoryGiveUps(self.clock),
                LEASE_SECONDS,
            )
        )
        self._tries = 0

    async def try_once(self) -> object:
        self._tries += 1
        self.clock.advance(300)
        claim = await self.claims.claim(self.order, f"worker-{self._tries}")
        assert isinstance(claim, Claim)
        await self._convert(claim)
        return self.claims.outcome(self.order.conversion_id)

    @property
    def attempts(self) -> Attempts:
        return self.claims.attempts(self.order.conversion_id)


@pytest.fixture
def world(engine: FfmpegEngine, disk: Disk, media: MediaMaker) -> Iterator[World]:
    tone = media.make("long.wav", audio="anoisesrc=a=0.5", seconds=60, rate=44_100, video=False)
    world = World(engine, disk.root, tone.read_bytes())
    with closing(world.workshop):
        yield world


async def test_a_disk_without_room_is_found_out_before_a_byte_is_copied(
    world: World, disk: Disk
) -> None:
    disk.fill(leaving=LEAST_FREE_BYTES + MIB)

    assert await world.try_once() is None

    assert world.attempts == SHORTAGE
    disk.empty()
    assert isinstance(await world.try_once(), Succeeded)
    assert disk.files() == []


async def test_a_disk_that_fills_up_during_the_copy_leaves_nothing_and_heals(
    world: World, disk: Disk
) -> None:
    world.videos.before = lambda: disk.fill(leaving=MIB)

    assert await world.try_once() is None

    assert world.attempts == SHORTAGE
    assert disk.files() == []
    world.videos.before = nothing
    disk.empty()
    assert isinstance(await world.try_once(), Succeeded)


@pytest.mark.parametrize("left", [0, 4096, 256 * 1024])
async def test_a_disk_that_fills_up_while_ffmpeg_writes_is_not_blamed_on_the_video(
    world: World, disk: Disk, left: int
) -> None:
    world.videos.after = lambda: disk.fill(leaving=left)

    assert await world.try_once() is None

    assert world.attempts == SHORTAGE
    assert disk.files() == []
    assert world.audio.files == {}
    world.videos.after = nothing
    disk.empty()
    assert isinstance(await world.try_once(), Succeeded)
    assert disk.files() == []


async def test_a_video_that_fits_on_no_worker_ends_for_want_of_room(
    world: World, disk: Disk
) -> None:
    disk.fill(leaving=MIB)

    for _ in range(AttemptLimits().outages):
        assert await world.try_once() is None
    outcome = await world.try_once()

    assert isinstance(outcome, Failed)
    assert outcome.reason == FailureReason.STORAGE_FULL
    assert world.claims.letters == ["STORAGE_FULL: no room in 50 attempts"]
    assert disk.files() == []


async def test_ffmpeg_tells_when_the_disk_is_full(engine: FfmpegEngine, media: MediaMaker) -> None:
    tone = media.make("tone.wav", video=False)

    with pytest.raises(StorageFull):
        await engine.encode(tone, Path("/dev/full"), recipe_of(3), lambda _: None)


@pytest.mark.parametrize(
    "line",
    [
        "av_interleaved_write_frame(): No space left on device",
        "[out#0/mp3 @ 0x1] Error writing trailer: No space left on device",
        "Error writing trailer of file:/x: Disk quota exceeded",
    ],
)
def test_all_versions_of_ffmpeg_are_understood(line: str) -> None:
    assert found_disk_full(["noise", line])


def test_what_a_video_says_of_itself_is_not_believed() -> None:
    assert not found_disk_full(["    title           : No space left on device"])


async def test_a_disk_that_is_gone_is_an_outage(tmp_path: Path) -> None:
    workshop = ScratchWorkshop(tmp_path / "scratch")
    await asyncio.to_thread(workshop.close)

    with pytest.raises(Outage):
        workshop.require_space()
    with pytest.raises(Outage):
        async with workshop.open():
            raise AssertionError("opened")
