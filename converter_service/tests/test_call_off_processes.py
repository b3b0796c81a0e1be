"""Two workers over a real store: what one calls off, the other's processes end."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from converter_fakes import (
    InMemoryCheckpointStore,
    InMemoryGiveUps,
    InMemoryVideoStore,
    RecordedProgress,
    order,
)
from converter_media import MediaMaker
from pymongo import AsyncMongoClient

from converter_service.adapters.engine_patience import Patience
from converter_service.adapters.ffmpeg import FfmpegEngine
from converter_service.adapters.gridfs_audio import GridFSAudioStore
from converter_service.adapters.mongo_claims import MongoClaimStore
from converter_service.adapters.mongo_tombstones import MongoTombstoneStore
from converter_service.adapters.scratch import ScratchWorkshop
from converter_service.domain import Ending, Options, Order
from converter_service.use_cases.call_off import CallOff
from converter_service.use_cases.convert_video import ConvertVideo, Equipment
from converter_service.use_cases.desk import Desk
from converter_service.use_cases.suspicion import Suspicion
from tonearm_chassis import mongo
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.outbox import MongoOutbox

MOST_SECONDS = 2.0
LEASE_SECONDS = 15.0


class Worker:
    """A worker as `__main__` puts it together, but for the bus; its ffmpeg never ends."""

    def __init__(
        self, client: AsyncMongoClient[mongo.Document], directory: Path, video: bytes
    ) -> None:
        directory.mkdir()
        clock, claims_collection = SystemClock(), mongo.database(client, "converter")["claims"]
        self.directory = directory
        self._pids: list[int] = []
        self.claims = MongoClaimStore(
            claims_collection, lease_seconds=LEASE_SECONDS, promised=lambda: None
        )
        tombstones = MongoTombstoneStore(clock, claims_collection, promised=lambda: None)
        self.audio = GridFSAudioStore(mongo.database(client, "audio"))
        self.encoding = asyncio.Event()
        suspicion = Suspicion(clock)
        self.workshop = ScratchWorkshop(directory / "scratch")
        convert = ConvertVideo(
            Equipment(
                clock,
                self.claims,
                InMemoryVideoStore(video),
                self.audio,
                InMemoryCheckpointStore(clock),
                FfmpegEngine(self._endless_ffmpeg(), Patience()),
                self.workshop,
                RecordedProgress(lambda _: self.encoding.set()),
                suspicion,
                InMemoryGiveUps(clock),
                LEASE_SECONDS,
            )
        )
        self.desk = Desk(self.claims, convert, suspicion, slots=1)
        self.call_off = CallOff(
            tombstones, self.audio, InMemoryCheckpointStore(clock), self.desk.stop
        )

    def _endless_ffmpeg(self) -> str:
        """Write an ffmpeg whose children would outlive it, and that ignores being asked to end."""
        program = self.directory / "ffmpeg"
        program.write_text(
            "#!/bin/sh\n"
            'if [ "$1" = -version ]; then echo "ffmpeg version n7.1 Copyright"; exit; fi\n'
            "trap '' TERM INT HUP\n"
            "sleep 600 & echo $! $$ > pids\n"
            "i=0; while :; do i=$((i+1)); echo out_time_us=$i; sleep 0.2; done\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return str(program)

    def is_working(self) -> bool:
        # They wrote it where a child may write, and that directory goes with them.
        for file in [] if self._pids else self.directory.rglob("pids"):
            self._pids = [int(pid) for pid in file.read_text().split()]
        return any(
            psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
            for pid in self._pids
        )

    def leftovers(self) -> list[Path]:
        return [path for path in (self.directory / "scratch").rglob("*") if path.is_file()]


@pytest.fixture
async def workers(
    mongodb: AsyncMongoClient[mongo.Document], tmp_path: Path, media: MediaMaker
) -> AsyncIterator[tuple[Worker, Worker, Order]]:
    for name in ("converter", "audio"):
        await mongodb.drop_database(name)
    content = media.make("tone.mp4", "-c:v", "mpeg4", "-c:a", "aac").read_bytes()
    here, there = (Worker(mongodb, tmp_path / name, content) for name in ("here", "there"))
    yield here, there, order(video=content, options=Options(bitrate_kbps=128))
    for worker in (here, there):
        await worker.desk.stop(order().conversion_id)
        worker.workshop.close()


async def promised(client: AsyncMongoClient[mongo.Document]) -> list[str]:
    outbox = MongoOutbox(mongo.database(client, "converter")["claims"])
    return [entry.envelope.type.rpartition(".")[2] for entry in await outbox.pending(10)]


@pytest.mark.parametrize("ending", Ending)
@pytest.mark.parametrize("where", ["here", "there"])
async def test_two_seconds_later_no_process_and_no_file_is_left(
    workers: tuple[Worker, Worker, Order],
    mongodb: AsyncMongoClient[mongo.Document],
    ending: Ending,
    where: str,
) -> None:
    here, there, ordered = workers
    await here.desk.take(ordered)
    await here.encoding.wait()
    assert here.is_working()
    begin = time.monotonic()

    await (here if where == "here" else there).call_off(ordered.conversion_id, ending)
    while here.is_working() or here.desk.running:  # noqa: ASYNC110 - of a real process's end
        await asyncio.sleep(0.01)  # nobody tells this process, so there is no other way

    assert time.monotonic() - begin < MOST_SECONDS
    assert here.leftovers() == []
    await there.call_off.clean_up()
    told = {"CANCELLED": "CancellationConfirmed", "DELETED": "DeletionConfirmed"}[ending]
    assert await promised(mongodb) == ["ConversionStarted", told]
    assert await mongo.database(mongodb, "audio")["fs.chunks"].count_documents({}) == 0
