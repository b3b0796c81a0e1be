"""Videos, audio and an engine, as small as a schedule needs them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from converter_service.domain import (
    AudioId,
    DecodedAudio,
    EncodeReport,
    EngineFailure,
    NoAudio,
    Order,
    SourceAudio,
    StoredAudio,
    VideoLost,
)
from converter_service.ports import Progress, Workplace
from gateway_service.domain import VideoId
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage

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
    pieces: dict[str, list[bytes]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    times: dict[str, float] = field(default_factory=dict)

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

    def delete(self, name: str) -> None:
        """Delete a file and all pieces."""
        self.files.discard(name)
        self.pieces.pop(name, None)
        self.times.pop(name, None)


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
    count: Any = field(default_factory=itertools.count)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Workplace]:
        """Make a workplace."""
        number = next(self.count)
        place = Workplace(Path(f"/scratch/{number}/video"), Path(f"/scratch/{number}/audio"))
        try:
            yield place
        finally:
            self.files.pop(place.video, None)
            self.files.pop(place.audio, None)

    def require_space(self, wanted_bytes: int = 0) -> None:  # noqa: ARG002 - the port has it
        """Refuse if the disk is full."""
        if self.is_full:
            raise Outage("scratch: full")


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

    async def put(self, audio_id: AudioId, source: Path) -> StoredAudio:
        """Store a file: pieces first, then what makes them visible."""
        content = self.disk.files[source]
        half = len(content) // 2
        await self.remove(audio_id)
        for piece in (content[:half], content[half:]):
            await self.ask("write", lambda piece=piece: self.shelf.add(audio_id, piece))  # type: ignore[misc]
        await self.ask("commit", lambda: self.shelf.commit(audio_id))
        return StoredAudio(audio_id, len(content), hashlib.sha256(content).hexdigest())

    async def remove(self, audio_id: AudioId) -> None:
        """Delete audio."""
        await self.ask("delete", lambda: self.shelf.delete(audio_id))


@dataclass(slots=True)
class Trouble:
    """What the engines of all converters will do wrong next."""

    next: list[str] = field(default_factory=list)
    made: int = 0
    running: dict[object, tuple[Process | None, bytes]] = field(default_factory=dict)
    """The engines that run: whose each is, and which video it works on."""

    def take(self) -> str:
        """Take the next trouble; empty if there is none."""
        return self.next.pop(0) if self.next else ""

    def videos(self) -> list[bytes]:
        """List what engines work on; an engine dies with its process."""
        return [video for process, video in self.running.values() if process and process.is_alive]


class SimulatedEngine:
    """An `Engine` that takes virtual time and can fail, stop short or lie."""

    name = "simulated 1.0"

    def __init__(self, disk: Disk, clock: Clock, trouble: Trouble) -> None:
        """Work on the files of `disk`."""
        self._disk = disk
        self._clock = clock
        self._trouble = trouble

    async def inspect(self, source: Path) -> SourceAudio:
        """Look at a video."""
        if self._disk.files[source].startswith(Kind.SILENT.name.encode()):
            raise NoAudio
        return SourceAudio("mov", "aac", 10.0, 10.0, 10.0, cut_off=False)

    async def encode(
        self,
        source: Path,
        target: Path,
        *,
        bitrate_kbps: int,  # noqa: ARG002 - the port has it
        seconds: float,
        progress: Progress,
    ) -> EncodeReport:
        """Encode for as long as the video's kind says."""
        video = self._disk.files[source]
        token = object()
        self._trouble.running[token] = (PROCESS.get(), video)
        try:
            for step in range(2):
                await self._clock.sleep(Kind[video.decode().partition("-")[0]].value / 2)
                progress(seconds * (step + 1) / 2)
        finally:
            self._trouble.running.pop(token, None)
        trouble = self._trouble.take()
        if trouble == "fails":
            raise EngineFailure("the engine crashed")
        self._disk.files[target] = make_audio(video, 0.5 if trouble == "stops short" else 1.0)
        return EncodeReport(RATE * 10, RATE, RATE * 10)

    async def decode(self, audio: Path, *, seconds: float) -> DecodedAudio:  # noqa: ARG002 - the port has it
        """Count what is there."""
        content = self._disk.files[audio]
        samples = RATE * 10 * len(content) // len(make_audio(b""))
        return DecodedAudio(samples, samples, RATE, 2, -3.0)


Effect = Callable[[], Coroutine[Any, Any, Any]]
