"""The gateway's ports, kept in memory, and things to put into them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gateway_service.domain import (
    AccountId,
    Audio,
    AudioId,
    Awaited,
    Conversion,
    ConversionId,
    Options,
    Owner,
    PageStart,
    Retention,
    Video,
    VideoId,
    never_inserted,
    upload_fingerprint,
)
from tonearm_chassis.testing.clock import START

REMIND = timedelta(seconds=10)
RETENTION = Retention(video=timedelta(hours=24), audio=timedelta(days=30))
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
    video = Video(VideoId(uuid.uuid4().hex), "holiday.mp4", 1000, "cd" * 32)
    return Conversion(
        id=ConversionId(uuid.uuid4().hex),
        owner=owner,
        video=video,
        options=Options(bitrate_kbps=192),
        create_time=moment,
        sign_time=moment,
        request_id=request_id,
        fingerprint=upload_fingerprint(video, Options(bitrate_kbps=192)),
    )


class InMemoryConversionStore:
    """A `ConversionStore` and `ConversionRecords` in a dictionary.

    `promised` lists what was asked for, in the order in which it was.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.rows: dict[ConversionId, Conversion] = {}
        self.due: dict[ConversionId, datetime | None] = {}
        self.promised: list[tuple[ConversionId, Awaited]] = []

    async def add(self, conversion: Conversion) -> Conversion:
        if conversion.id in self.rows:
            return self.rows[conversion.id]
        for row in self.rows.values():
            same_owner = row.owner.account_id == conversion.owner.account_id
            if same_owner and row.request_id and row.request_id == conversion.request_id:
                return row
        self.rows[conversion.id] = conversion
        self.due[conversion.id] = conversion.sign_time + REMIND
        self._promise(conversion, conversion.awaited)
        return conversion

    async def find(self, conversion_id: ConversionId) -> Conversion | None:
        return self.rows.get(conversion_id)

    async def find_own(
        self, account_id: AccountId, conversion_id: ConversionId
    ) -> Conversion | None:
        found = self.rows.get(conversion_id)
        if found is None or found.is_deleted or found.owner.account_id != account_id:
            return None
        return found

    async def find_request(self, account_id: AccountId, request_id: str) -> Conversion | None:
        for row in self.rows.values():
            if (row.owner.account_id, row.request_id) == (account_id, request_id):
                return row
        return None

    async def page(
        self, account_id: AccountId, size: int, start: PageStart | None
    ) -> Sequence[Conversion]:
        own = [
            row
            for row in self.rows.values()
            if row.owner.account_id == account_id and not row.is_deleted
        ]
        own.sort(key=lambda row: (row.create_time, row.id), reverse=True)
        if start is not None:
            after = (start.create_time, start.id)
            own = [row for row in own if (row.create_time, row.id) < after]
        return own[:size]

    async def replace(self, old: Conversion, new: Conversion) -> bool:
        if self.rows[old.id].revision != old.revision:
            return False
        self.rows[old.id] = replace(new, revision=old.revision + 1)
        self.due[old.id] = new.sign_time + REMIND if new.awaited else None
        self._promise(new, new.awaited - old.awaited)
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
        self._promise(row, row.awaited)

    async def rush(self, now: datetime) -> None:
        self.due = {key: time and min(time, now) for key, time in self.due.items()}

    def asked(self, awaited: Awaited) -> int:
        return sum(each is awaited for _, each in self.promised)

    def _promise(self, conversion: Conversion, awaited: Collection[Awaited]) -> None:
        self.promised += [(conversion.id, each) for each in awaited]

    async def unkept(self, limit: int) -> Sequence[Conversion]:
        ended = [row for row in self.rows.values() if row.is_final and not row.video_expire_time]
        return ended[:limit]

    async def forestall(self, conversion_id: ConversionId, now: datetime) -> bool:
        self.rows.setdefault(conversion_id, never_inserted(conversion_id, now))
        return self.rows[conversion_id].is_deleted

    async def done_with_video(self, now: datetime, limit: int) -> Sequence[Conversion]:
        return [
            row
            for row in self.rows.values()
            if not row.video_released and row.video_expire_time and row.video_expire_time <= now
        ][:limit]

    async def video_released(self, conversion: Conversion) -> None:
        row = self.rows[conversion.id]
        self.rows[conversion.id] = replace(row, video_released=True)

    async def done_with_audio(self, now: datetime, limit: int) -> Sequence[Conversion]:
        return [
            row
            for row in self.rows.values()
            if not row.audio_expired and row.audio_expire_time and row.audio_expire_time <= now
        ][:limit]

    async def audio_deleted(self, conversion: Conversion) -> None:
        self.rows[conversion.id] = replace(self.rows[conversion.id], audio_expired=True)

    async def forgettable(self, before: datetime, limit: int) -> Sequence[Conversion]:
        return [
            row
            for row in self.rows.values()
            if row.delete_time
            and row.delete_time <= before
            and row.video_released
            and not row.awaited
        ][:limit]

    async def forget(self, conversion: Conversion) -> None:
        row = self.rows.get(conversion.id)
        if row and row.is_deleted:
            del self.rows[row.id]
            self.due.pop(row.id, None)

    async def users(self, video_id: VideoId) -> Sequence[ConversionId]:
        return [
            row.id
            for row in self.rows.values()
            if row.video.id == video_id and not row.video_released
        ]


class CountingWaker:
    """A `Waker` that counts."""

    def __init__(self) -> None:
        """Begin at none."""
        self.count = 0

    def wake(self) -> None:
        self.count += 1
