"""The gateway's ports, kept in memory, and things to put into them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gateway_service.domain import (
    AccountId,
    Audio,
    AudioId,
    Conversion,
    ConversionId,
    Owner,
    PageStart,
    Video,
    VideoId,
)
from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import START

REMIND = timedelta(seconds=10)
ADA = Owner(AccountId("ada"), "ada@example.org")
EVE = Owner(AccountId("eve"), "eve@example.org")
AUDIO = Audio(
    id=AudioId("audio-1"),
    size_bytes=11,
    sha256="ab" * 32,
    duration=timedelta(seconds=30, microseconds=24000),
    sample_rate_hz=44100,
    channels=2,
    peak_dbfs=-1.5,
    engine="ffmpeg 9",
)


def new_conversion(owner: Owner = ADA, *, age: float = 0.0, request_id: str = "") -> Conversion:
    """Make a QUEUED conversion that was created `age` seconds before the clock's start."""
    moment = START - timedelta(seconds=age)
    return Conversion(
        id=ConversionId(uuid.uuid4().hex),
        owner=owner,
        video=Video(VideoId(uuid.uuid4().hex), "holiday.mp4", 1000, "cd" * 32),
        bitrate_kbps=192,
        create_time=moment,
        sign_time=moment,
        request_id=request_id,
    )


class InMemoryVideoStore:
    """A `VideoStore` in a dictionary; `open` counts sinks neither committed nor aborted."""

    def __init__(self) -> None:
        """Begin empty and reachable."""
        self.videos: dict[VideoId, bytes] = {}
        self.open = 0
        self.away = False
        self.undeletable = False

    def begin(self, video_id: VideoId) -> InMemoryVideoSink:
        self.open += 1
        return InMemoryVideoSink(self, video_id)

    async def delete(self, video_id: VideoId) -> None:
        if self.undeletable:
            raise Outage("videos: away")
        self.videos.pop(video_id, None)


class InMemoryVideoSink:
    """A `VideoSink` into an `InMemoryVideoStore`."""

    def __init__(self, store: InMemoryVideoStore, video_id: VideoId) -> None:
        """Collect the pieces of one video."""
        self._store = store
        self._video_id = video_id
        self._pieces: list[bytes] = []

    async def write(self, piece: bytes) -> None:
        if self._store.away:
            raise Outage("videos: away")
        self._pieces.append(piece)

    async def commit(self) -> None:
        self._store.open -= 1
        self._store.videos[self._video_id] = b"".join(self._pieces)

    async def abort(self) -> None:
        self._store.open -= 1
        if self._store.away:
            raise Outage("videos: away")
        self._store.videos.pop(self._video_id, None)


class InMemoryAudioStore:
    """An `AudioStore` in a dictionary."""

    def __init__(self) -> None:
        """Begin with one MP3."""
        self.audio = {AUDIO.id: b"hello sound"}
        self.away = False

    async def read(self, audio_id: AudioId) -> AsyncIterator[bytes]:
        if self.away:
            raise Outage("audio: away")
        for byte in self.audio[audio_id]:
            yield bytes([byte])


class InMemoryConversionStore:
    """A `ConversionStore` in a dictionary; `promised` lists (conversion id, what) pairs."""

    def __init__(self) -> None:
        """Begin empty."""
        self.rows: dict[ConversionId, Conversion] = {}
        self.due: dict[ConversionId, datetime | None] = {}
        self.promised: list[tuple[ConversionId, str]] = []

    async def add(self, conversion: Conversion) -> Conversion:
        for row in self.rows.values():
            same_owner = row.owner.account_id == conversion.owner.account_id
            if same_owner and row.request_id and row.request_id == conversion.request_id:
                return row
        self.rows[conversion.id] = conversion
        self.due[conversion.id] = conversion.sign_time + REMIND
        self.promised.append((conversion.id, "conversion"))
        return conversion

    async def find(self, conversion_id: ConversionId) -> Conversion | None:
        return self.rows.get(conversion_id)

    async def find_own(
        self, account_id: AccountId, conversion_id: ConversionId
    ) -> Conversion | None:
        found = self.rows.get(conversion_id)
        return found if found and found.owner.account_id == account_id else None

    async def page(
        self, account_id: AccountId, size: int, start: PageStart | None
    ) -> Sequence[Conversion]:
        own = [row for row in self.rows.values() if row.owner.account_id == account_id]
        own.sort(key=lambda row: (row.create_time, row.id), reverse=True)
        if start is not None:
            after = (start.create_time, start.id)
            own = [row for row in own if (row.create_time, row.id) < after]
        return own[:size]

    async def replace(self, old: Conversion, new: Conversion) -> bool:
        if self.rows[old.id].revision != old.revision:
            return False
        self.rows[old.id] = replace(new, revision=old.revision + 1)
        self.due[old.id] = None if new.is_final and new.notified else new.sign_time + REMIND
        if new.is_final and not old.is_final:
            self.promised.append((old.id, "notification"))
        return True

    async def silent(self, now: datetime, limit: int) -> Sequence[Conversion]:
        due = sorted((time, key) for key, time in self.due.items() if time and time <= now)
        return [self.rows[key] for _, key in due[:limit]]

    async def remind(self, conversion: Conversion, now: datetime, pause: timedelta) -> None:
        row = self.rows[conversion.id]
        if row.revision != conversion.revision:
            return
        self.rows[row.id] = replace(row, reminders=row.reminders + 1, revision=row.revision + 1)
        self.due[row.id] = now + pause
        self.promised.append((row.id, "notification" if row.is_final else "conversion"))


class CountingWaker:
    """A `Waker` that counts."""

    def __init__(self) -> None:
        """Begin at none."""
        self.count = 0

    def wake(self) -> None:
        self.count += 1
