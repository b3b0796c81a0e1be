"""The gateway's stores of bytes, and its ledger, kept in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway_fakes import AUDIO

from gateway_service.domain import AudioId, ConversionId, Upload, Video, VideoId, Waveform
from gateway_service.ports import Known, MissingAudio
from tonearm_chassis.errors import Outage, StorageFull


class InMemoryVideoStore:
    """A `VideoStore` in two dictionaries: what is committed, and what is not."""

    def __init__(self) -> None:
        """Begin empty and reachable."""
        self.videos: dict[VideoId, bytes] = {}
        self.halves: dict[VideoId, bytes] = {}
        self.ages: dict[VideoId, float] = {}
        self.away = False
        self.undeletable = False
        self.full = False

    def begin(self, video_id: VideoId) -> InMemoryVideoSink:
        return InMemoryVideoSink(self, video_id)

    async def delete(self, video_id: VideoId) -> None:
        if self.undeletable:
            raise Outage("videos: away")
        self.videos.pop(video_id, None)
        self.halves.pop(video_id, None)

    async def orphans(self, older_than_seconds: float, known: Known) -> AsyncIterator[VideoId]:
        stored = {
            each
            for each in self.videos.keys() | self.halves.keys()
            if self.ages.get(each, 0.0) >= older_than_seconds
        }
        for video_id in sorted(stored - await known(stored)):
            yield VideoId(video_id)


class InMemoryVideoSink:
    """A `VideoSink` into an `InMemoryVideoStore`."""

    def __init__(self, store: InMemoryVideoStore, video_id: VideoId) -> None:
        """Collect the pieces of one video."""
        self._store = store
        self._video_id = video_id

    async def write(self, piece: bytes) -> None:
        if self._store.away:
            raise Outage("videos: away")
        if self._store.full:
            raise StorageFull("videos: full")
        stored = self._store.halves.get(self._video_id, b"")
        self._store.halves[self._video_id] = stored + piece

    async def commit(self) -> None:
        self._store.videos[self._video_id] = self._store.halves.pop(self._video_id, b"")

    async def abort(self) -> None:
        if self._store.away:
            raise Outage("videos: away")
        self._store.videos.pop(self._video_id, None)
        self._store.halves.pop(self._video_id, None)


class InMemoryAudioStore:
    """An `AudioStore` in a dictionary."""

    def __init__(self) -> None:
        """Begin with one MP3."""
        self.audio = {AUDIO.id: b"hello sound"}
        self.waveforms: dict[AudioId, Waveform] = {}
        self.away = False

    async def read(self, audio_id: AudioId) -> AsyncIterator[bytes]:
        if self.away:
            raise Outage("audio: away")
        if audio_id not in self.audio:
            raise MissingAudio(audio_id)
        for byte in self.audio[audio_id]:
            yield bytes([byte])

    async def waveform(self, audio_id: AudioId) -> Waveform | None:
        if self.away:
            raise Outage("audio: away")
        if audio_id not in self.audio:
            raise MissingAudio(audio_id)
        return self.waveforms.get(audio_id)

    async def delete(self, audio_id: AudioId) -> None:
        if self.away:
            raise Outage("audio: away")
        self.waveforms.pop(audio_id, None)
        self.audio.pop(audio_id, None)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger knows of a video."""

    state: str
    touch_time: datetime
    users: tuple[ConversionId, ...] = ()
    unsettled: tuple[ConversionId, ...] = ()


class InMemoryVideoLedger:
    """A `VideoLedger` in a dictionary."""

    def __init__(self) -> None:
        """Begin empty."""
        self.entries: dict[VideoId, Entry] = {}

    async def begin(self, video_id: VideoId, now: datetime) -> None:
        self.entries.setdefault(video_id, Entry("RECEIVING", now))

    async def touch(self, video_id: VideoId, now: datetime) -> bool:
        return self._change(video_id, {"RECEIVING"}, touch_time=now)

    async def store(self, video: Video, user: ConversionId, now: datetime) -> bool:
        entry = self.entries.get(video.id)
        if entry and user in entry.users:
            return True
        return self._change(
            video.id,
            {"RECEIVING"},
            state="STORED",
            touch_time=now,
            users=(user,),
            unsettled=(user,),
        )

    async def take(self, video_id: VideoId, user: ConversionId, now: datetime) -> bool:
        entry = self.entries.get(video_id)
        if entry is None or not entry.users:
            return False
        return self._change(
            video_id,
            {"STORED"},
            touch_time=now,
            users=(*entry.users, user),
            unsettled=(*entry.unsettled, user),
        )

    async def settle(self, video_id: VideoId, user: ConversionId) -> None:
        if entry := self.entries.get(video_id):
            self.entries[video_id] = replace(entry, unsettled=_without(entry.unsettled, user))

    async def release(self, video_id: VideoId, user: ConversionId, now: datetime) -> None:
        entry = self.entries.get(video_id)
        if entry and user in entry.users:
            self.entries[video_id] = replace(
                entry,
                touch_time=now,
                users=_without(entry.users, user),
                unsettled=_without(entry.unsettled, user),
            )

    async def idle(self, before: datetime, limit: int) -> Sequence[Upload]:
        return [
            Upload(key, entry.touch_time)
            for key, entry in self.entries.items()
            if entry.state == "RECEIVING" and entry.touch_time <= before
        ][:limit]

    async def give_up(self, upload: Upload, now: datetime) -> None:
        entry = self.entries.get(upload.video_id)
        if entry and entry.touch_time == upload.touch_time:
            self._change(upload.video_id, {"RECEIVING"}, state="DISCARDED", touch_time=now)

    async def unsettled(
        self, before: datetime, limit: int
    ) -> Sequence[tuple[VideoId, ConversionId]]:
        return [
            (key, user)
            for key, entry in self.entries.items()
            if entry.touch_time <= before
            for user in entry.unsettled
        ][:limit]

    async def discarded(self, limit: int) -> Sequence[VideoId]:
        for key, entry in self.entries.items():
            if not entry.users:
                self._change(key, {"STORED"}, state="DISCARDED")
        return [key for key, entry in self.entries.items() if entry.state == "DISCARDED"][:limit]

    async def remove(self, video_id: VideoId) -> None:
        entry = self.entries.get(video_id)
        if entry and entry.state != "STORED":
            del self.entries[video_id]

    async def known(self, video_ids: Collection[str]) -> set[str]:
        return {str(key) for key in self.entries if key in video_ids}

    async def adopt(
        self, video_id: VideoId, users: Collection[ConversionId], now: datetime
    ) -> None:
        self.entries.setdefault(video_id, Entry("STORED", now, tuple(users)))

    def _change(self, video_id: VideoId, states: set[str], **changes: object) -> bool:
        entry = self.entries.get(video_id)
        if entry is None or entry.state not in states:
            return False
        self.entries[video_id] = replace(entry, **changes)  # type: ignore[arg-type] # of any field
        return True


def _without(users: tuple[ConversionId, ...], user: ConversionId) -> tuple[ConversionId, ...]:
    return tuple(each for each in users if each != user)
