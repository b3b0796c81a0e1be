"""Take a video in and ask for its conversion."""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass

from gateway_service.domain import (
    BITRATES_KBPS,
    ChecksumMismatch,
    Conversion,
    ConversionId,
    EmptyVideo,
    IncompleteVideo,
    InvalidBitrate,
    InvalidRequestId,
    InvalidSHA256,
    LengthMismatch,
    LengthRequired,
    Owner,
    RequestIdReused,
    Video,
    VideoId,
    VideoTooLarge,
    safe_filename,
)
from gateway_service.ports import ConversionStore, VideoSink, VideoStore, Waker
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an upload says of itself before its bytes; 0 and "" mean "not said"."""

    filename: str
    bitrate_kbps: int = 0
    size_bytes: int = 0
    sha256: str = ""
    request_id: str = ""


class UploadVideo:
    """Store a video and request its conversion."""

    def __init__(
        self,
        videos: VideoStore,
        conversions: ConversionStore,
        relay: Waker,
        clock: Clock,
        max_bytes: int,
    ) -> None:
        """Take videos of at most `max_bytes`."""
        self._videos = videos
        self._conversions = conversions
        self._relay = relay
        self._clock = clock
        self._max_bytes = max_bytes

    async def __call__(
        self, owner: Owner, declaration: Declaration, pieces: AsyncIterator[bytes]
    ) -> Conversion:
        """Give the QUEUED conversion, once video and request are stored for good.

        A repeat with the same `request_id` gives the first one's conversion. Raises a refusal if
        the declaration is bad or the bytes do not match it; then nothing stays stored, unless the
        store goes away meanwhile.
        """
        declared = self._checked(declaration)
        video_id = VideoId(uuid.uuid4().hex)
        sink = self._videos.begin(video_id)
        try:
            video = await self._receive(video_id, sink, declared, pieces)
            await sink.commit()
        except BaseException:
            # Shielded: a cancelled call must still clean up behind itself.
            await asyncio.shield(_cleaned(sink.abort()))
            raise
        return await self._request(owner, declared, video)

    def _checked(self, declaration: Declaration) -> Declaration:
        if declaration.bitrate_kbps not in BITRATES_KBPS:
            message = f"MP3 has no bit rate of {declaration.bitrate_kbps} kbit/s; try 192"
            raise InvalidBitrate(message)
        sha256 = declaration.sha256.lower()
        if sha256 and not SHA256.fullmatch(sha256):
            message = "sha256 must be 64 hexadecimal digits"
            raise InvalidSHA256(message)
        if declaration.size_bytes <= 0 and not sha256:
            message = "say how long the video is: Content-Length, size_bytes or sha256"
            raise LengthRequired(message)
        self._check_size(declaration.size_bytes)
        return Declaration(
            filename=safe_filename(declaration.filename),
            bitrate_kbps=declaration.bitrate_kbps,
            size_bytes=declaration.size_bytes,
            sha256=sha256,
            request_id=_normal_request_id(declaration.request_id),
        )

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            message = f"videos have at most {self._max_bytes} bytes here"
            raise VideoTooLarge(message)

    async def _receive(
        self,
        video_id: VideoId,
        sink: VideoSink,
        declared: Declaration,
        pieces: AsyncIterator[bytes],
    ) -> Video:
        digest = hashlib.sha256()
        size = 0
        async for piece in pieces:
            size += len(piece)
            self._check_size(size)
            if declared.size_bytes and size > declared.size_bytes:
                message = f"more than the declared {declared.size_bytes} bytes arrived"
                raise LengthMismatch(message)
            digest.update(piece)
            await sink.write(piece)
        # A connection that breaks looks like an end (grpc.aio), so the end must be proven.
        _check_complete(declared, size, digest.hexdigest())
        return Video(video_id, declared.filename, size, digest.hexdigest())

    async def _request(self, owner: Owner, declared: Declaration, video: Video) -> Conversion:
        now = self._clock.now()
        conversion = Conversion(
            id=ConversionId(uuid.uuid4().hex),
            owner=owner,
            video=video,
            bitrate_kbps=declared.bitrate_kbps,
            create_time=now,
            sign_time=now,
            request_id=declared.request_id,
        )
        stored = await self._conversions.add(conversion)
        if stored.id == conversion.id:
            self._relay.wake()
            return stored
        await _cleaned(self._videos.delete(video.id))
        if not _same_request(stored, conversion):
            message = "this request_id was used for another video or other options"
            raise RequestIdReused(message)
        return stored


async def _cleaned(cleaning: Awaitable[None]) -> None:
    """Clean up; that the store is away must not hide from the caller what is being answered."""
    try:
        await cleaning
    except Outage as error:
        log.warning("video_left_behind", cause=str(error))


def _check_complete(declared: Declaration, size: int, sha256: str) -> None:
    if declared.size_bytes and size < declared.size_bytes:
        message = f"{size} of {declared.size_bytes} bytes arrived; send the video again"
        raise IncompleteVideo(message)
    if size == 0:
        message = "the video has no bytes"
        raise EmptyVideo(message)
    if declared.sha256 and sha256 != declared.sha256:
        message = f"the bytes that arrived have SHA-256 {sha256}; send the video again"
        raise ChecksumMismatch(message)


def _normal_request_id(text: str) -> str:
    if not text:
        return ""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        message = "request_id must be a UUID"
        raise InvalidRequestId(message) from None


def _same_request(one: Conversion, other: Conversion) -> bool:
    return (one.video.sha256, one.video.filename, one.bitrate_kbps) == (
        other.video.sha256,
        other.video.filename,
        other.bitrate_kbps,
    )
