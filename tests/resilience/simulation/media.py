"""Videos, audio and an engine, as small as a schedule needs them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TypeVar

import gateway_service.domain
from converter_service.domain import (
    AudioFile,
    AudioId,
    Claim,
    ConversionId,
    DecodedAudio,
    EncodeReport,
    EngineFailure,
    Measured,
    NoAudio,
    Order,
    Recipe,
    Source,
    SourceAudio,
    StoredAudio,
    Track,
    VideoLost,
    Waveform,
    WorkId,
)
from converter_service.ports import Checkpoints, Progress, Workplace
from gateway_service.domain import VideoId
from gateway_service.ports import Known, MissingAudio
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage, StorageFull

from .gates import Network
from .loop import PROCESS, Process

T = TypeVar("T")

RATE = 44_100
PIECE = 8


class Kind(Enum):
    """What is wrong with a video, or how long it takes."""

    SHORT = 1
    LONG = 20
    """Longer than a lease."""
    SILENT = 2
    """It has no audio: a refusal."""


def make_video(number: int, kind: Kind) -> bytes:
    """Make a video that no other upload has."""
    return f"{kind.name}-{number:03d}-video".encode()


def make_audio(video: bytes, share: float = 1.0) -> bytes:
    """Make the MP3 of a video, or of its first part."""
    whole = f"mp3 of {hashlib.sha256(video).hexdigest()}".encode()
    return whole[: int(len(whole) * share)]


def samples_of(audio: bytes, video: bytes) -> int:
    """Count what can be heard of a video."""
    return RATE * 10 * len(audio) // len(make_audio(video))


@dataclass(slots=True)
class Shelf:
    """A GridFS in memory: pieces first, then the file that makes them visible."""

    now: Callable[[], float]
    start: datetime
    pieces: dict[str, list[bytes]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    times: dict[str, float] = field(default_factory=dict)
    labels: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Which conversion and fence a file says it is of."""

    def moment(self, name: str) -> datetime:
        """Tell when something was stored, by the store's own time."""
        return self.start + timedelta(seconds=self.times[name])

    def add(self, name: str, piece: bytes) -> None:
        """Store the next piece."""
        self.pieces.setdefault(name, []).append(piece)
        self.times[name] = self.now()

    def commit(self, name: str) -> None:
        """Make a file visible."""
        self.pieces.setdefault(name, [])
        self.files.add(name)
        self.times[name] = self.now()

    def read(self, name: str) -> bytes | None:
        """Read a file, if it is visible."""
        return b"".join(self.pieces.get(name, [])) if name in self.files else None

    def hide(self, name: str) -> None:
        """Delete a file; its pieces stay."""
        self.files.discard(name)
        self.labels.pop(name, None)

    def delete(self, name: str) -> None:
        """Delete a file and all pieces."""
        self.files.discard(name)
        self.pieces.pop(name, None)
        self.times.pop(name, None)
        self.labels.pop(name, None)


class ShelfPort:
    """What the byte stores of one process have in common."""

    def __init__(self, shelf: Shelf, network: Network, backend: str) -> None:
        """Reach `shelf` through `network`."""
        self.shelf = shelf
        self._network = network
        self._backend = backend

    async def ask(self, name: str, work: Callable[[], T]) -> T:
        """Do something to the shelf in one step."""

        async def effect() -> T:
            return work()

        lost = f"{self._backend}: cut"
        return await self._network.ask(
            self._backend, f"{self._backend}.{name}", effect, lambda: Outage(lost)
        )


class GatewayVideos(ShelfPort):
    """The gateway's `VideoStore`."""

    def begin(self, video_id: VideoId) -> GatewayVideoSink:
        """Begin a video."""
        return GatewayVideoSink(self, video_id)

    async def delete(self, video_id: VideoId) -> None:
        """Delete a video."""
        await self.ask("delete", lambda: self.shelf.delete(video_id))

    async def orphans(self, older_than_seconds: float, known: Known) -> AsyncIterator[VideoId]:
        """Find what nobody knows."""

        def old() -> list[str]:
            limit = self.shelf.now() - older_than_seconds
            return [name for name, time in self.shelf.times.items() if time <= limit]

        names = await self.ask("list", old)
        accounted_for = await known(names) if names else set()
        for name in names:
            if name not in accounted_for:
                yield VideoId(name)


class GatewayAudio(ShelfPort):
    """The gateway's `AudioStore`."""

    async def read(self, audio_id: gateway_service.domain.AudioId) -> AsyncIterator[bytes]:
        """Read an MP3."""
        content = await self.ask("read", lambda: self.shelf.read(audio_id))
        if content is None:
            raise MissingAudio(audio_id)
        yield content

    async def waveform(
        self, audio_id: gateway_service.domain.AudioId
    ) -> gateway_service.domain.Waveform | None:
        """Have none: what is simulated cannot be seen."""
        if await self.ask("read", lambda: self.shelf.read(audio_id)) is None:
            raise MissingAudio(audio_id)
        return None

    async def delete(self, audio_id: gateway_service.domain.AudioId) -> None:
        """Delete an MP3."""
        await self.ask("delete", lambda: self.shelf.delete(audio_id))


class GatewayVideoSink:
    """The gateway's `VideoSink`."""

    def __init__(self, videos: GatewayVideos, video_id: VideoId) -> None:
        """Write one video."""
        self._videos = videos
        self._video_id = video_id

    async def write(self, piece: bytes) -> None:
        """Store the next bytes."""
        await self._videos.ask("write", lambda: self._videos.shelf.add(self._video_id, piece))

    async def commit(self) -> None:
        """Make it readable."""
        await self._videos.ask("commit", lambda: self._videos.shelf.commit(self._video_id))

    async def abort(self) -> None:
        """Delete it."""
        await self._videos.delete(self._video_id)


@dataclass(slots=True)
class Disk:
    """The scratch directory of one converter process; it dies with it."""

    files: dict[Path, bytes] = field(default_factory=dict)
    is_full: bool = False
    count: Iterator[int] = field(default_factory=itertools.count)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Workplace]:
        """Make a workplace."""
        number = next(self.count)
        scratch = Path(f"/scratch/{number}")
        place = Workplace(scratch / "video", scratch / "audio", scratch / "chunks")
        try:
            yield place
        finally:
            self.files.pop(place.video, None)
            self.files.pop(place.audio, None)

    def require_space(self, wanted_bytes: int = 0) -> None:  # noqa: ARG002 - the port has it
        """Refuse if the disk is full."""
        if self.is_full:
            raise StorageFull("scratch: full")


def _each(step: Callable[[str], None], names: Collection[str]) -> None:
    for name in names:
        step(name)


class ConverterVideos(ShelfPort):
    """The converter's `VideoStore`."""

    disk: Disk

    async def copy(self, order: Order, target: Path) -> None:
        """Copy a video to the disk."""
        content = await self.ask("read", lambda: self.shelf.read(order.video_id))
        if content is None or hashlib.sha256(content).hexdigest() != order.sha256:
            raise VideoLost
        self.disk.files[target] = content


class ConverterAudio(ShelfPort):
    """The converter's `AudioStore`."""

    disk: Disk

    async def put(
        self,
        audio_id: AudioId,
        claim: Claim,
        source: Path,
        waveform: Waveform | None = None,  # noqa: ARG002 - nobody asks the simulated store for it
    ) -> StoredAudio:
        """Store a file: pieces first, then what makes them visible."""
        content = self.disk.files[source]
        half = len(content) // 2
        label = claim.order.conversion_id, claim.fence

        def commit() -> None:
            self.shelf.commit(audio_id)
            self.shelf.labels[audio_id] = label

        try:
            for piece in (content[:half], content[half:]):
                await self.ask("write", partial(self.shelf.add, audio_id, piece))
            await self.ask("commit", commit)
            await self._compare(audio_id, content)
        except BaseException:
            with suppress(Outage):
                await self.remove([audio_id])
            raise
        return StoredAudio(audio_id, len(content), hashlib.sha256(content).hexdigest())

    async def _compare(self, audio_id: AudioId, content: bytes) -> None:
        if await self.ask("read", lambda: self.shelf.read(audio_id)) != content:
            raise Outage("audio: what is stored is not what was sent")

    async def remove(self, audio_ids: Collection[AudioId]) -> None:
        """Delete audio."""
        for step in (self.shelf.hide, self.shelf.delete):
            await self.ask(step.__name__, partial(_each, step, audio_ids))

    async def remove_all(self, conversion_id: ConversionId) -> None:
        """Delete all whole files of a conversion."""

        def work() -> None:
            for name, (label, _) in list(self.shelf.labels.items()):
                if label == conversion_id:
                    self.shelf.delete(name)

        await self.ask("delete_all", work)

    async def list_files(
        self, since: datetime | None, until: datetime
    ) -> AsyncIterator[list[AudioFile]]:
        """List the whole files of a time."""

        def found() -> list[AudioFile]:
            return [
                AudioFile(AudioId(name), ConversionId(label), fence)
                for name, (label, fence) in self.shelf.labels.items()
                if (since is None or self.shelf.moment(name) >= since)
                and self.shelf.moment(name) <= until
            ]

        if files := await self.ask("list", found):
            yield files

    async def fragments(self, older_than_seconds: float) -> list[AudioId]:
        """List what is half stored for so long."""

        def found() -> list[AudioId]:
            until = self.shelf.now() - older_than_seconds
            halves = set(self.shelf.pieces) - self.shelf.files
            return [AudioId(name) for name in sorted(halves) if self.shelf.times[name] < until]

        return await self.ask("fragments", found)


@dataclass(slots=True)
class Trouble:
    """What the engines of all converters will do wrong next."""

    noticed: Callable[[bytes], None]
    """Is told of every video that an engine begins to work on."""
    next: list[str] = field(default_factory=list)
    made: int = 0
    running: dict[object, tuple[Process | None, bytes]] = field(default_factory=dict)
    """The engines that run: whose each is, and which video it works on."""

    def take(self) -> str:
        """Take the next trouble; empty if there is none."""
        return self.next.pop(0) if self.next else ""

    def workers(self) -> list[Process]:
        """List the processes whose engines run."""
        found = [process for process, _ in self.running.values() if process and process.is_alive]
        return list(dict.fromkeys(found))

    def videos(self) -> list[bytes]:
        """List what engines work on; an engine dies with its process."""
        return [video for process, video in self.running.values() if process and process.is_alive]


class NoCheckpoints:
    """A `CheckpointStore` that has nothing to do: the engine here makes no chunks."""

    async def keep(
        self, conversion_id: ConversionId, work: WorkId, number: int, chunk: Path
    ) -> None:
        """Keep nothing."""

    async def fetch(self, conversion_id: ConversionId, work: WorkId, directory: Path) -> int:  # noqa: ARG002 - the port has it
        """Have nothing."""
        return 0

    async def remove(self, conversion_id: ConversionId) -> None:
        """Remove nothing."""

    async def sweep(self, older_than_seconds: float) -> int:  # noqa: ARG002 - the port has it
        """Find nothing."""
        return 0


class SimulatedEngine:
    """An `Engine` that takes virtual time and can fail, stop short or lie."""

    name = "simulated 1.0"

    def __init__(self, disk: Disk, clock: Clock, trouble: Trouble) -> None:
        """Work on the files of `disk`."""
        self._disk = disk
        self._clock = clock
        self._trouble = trouble

    async def inspect(self, source: Path) -> Source:
        """Look at a video."""
        if self._disk.files[source].startswith(Kind.SILENT.name.encode()):
            raise NoAudio
        audio = SourceAudio("mov", "aac", 10.0, 10.0, 10.0, cut_off=False)
        return Source("mov", (Track(audio, RATE, 2),))

    async def measure(self, source: Path, recipe: Recipe) -> Measured:  # noqa: ARG002 - the port has it
        """Hear something."""
        return Measured(-20.0, 5.0, -3.0)

    async def encode(
        self,
        source: Path,
        target: Path,
        recipe: Recipe,
        progress: Progress,
        checkpoints: Checkpoints | None = None,  # noqa: ARG002 - the port has it
    ) -> EncodeReport:
        """Encode for as long as the video's kind says."""
        video = self._disk.files[source]
        token = object()
        self._trouble.noticed(video)
        self._trouble.running[token] = (PROCESS.get(), video)
        try:
            for step in range(2):
                await self._clock.sleep(Kind[video.decode().partition("-")[0]].value / 2)
                progress(recipe.seconds * (step + 1) / 2)
        finally:
            self._trouble.running.pop(token, None)
        trouble = self._trouble.take()
        if trouble == "fails":
            raise EngineFailure("the engine crashed")
        self._disk.files[target] = make_audio(video, 0.5 if trouble == "stops short" else 1.0)
        return EncodeReport(RATE * 10, RATE, RATE * 10)

    async def decode(self, audio: Path, recipe: Recipe) -> DecodedAudio:  # noqa: ARG002 - the port has it
        """Count what is there."""
        content = self._disk.files[audio]
        samples = RATE * 10 * len(content) // len(make_audio(b""))
        return DecodedAudio(samples, samples, RATE, 2, -3.0)
