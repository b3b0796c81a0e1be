"""Take a video in and ask for its conversion."""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from gateway_service.domain import (
    ChecksumMismatch,
    Conversion,
    ConversionId,
    EmptyVideo,
    IncompleteVideo,
    InvalidSHA256,
    LengthMismatch,
    LengthRequired,
    Options,
    Owner,
    Video,
    VideoId,
    VideoTooLarge,
    check,
    safe_filename,
    upload_fingerprint,
)
from gateway_service.ports import VideoLedger, VideoSink, VideoStore
from gateway_service.use_cases.request import RequestConversion, cleaned, normal_request_id
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage

SHA256 = re.compile(r"[0-9a-f]{64}")
# Of the time after which a silent upload is given up: how often one that is not silent says so.
TOUCH_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an upload says of itself before its bytes; 0 and "" mean "not said"."""

    filename: str
    options: Options = field(default_factory=Options)
    size_bytes: int = 0
    sha256: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a video may be, and how long no byte of it may come."""

    max_bytes: int
    idle_seconds: float


class UploadVideo:
    """Store a video and request its conversion."""

    def __init__(
        self,
        videos: VideoStore,
        ledger: VideoLedger,
        request: RequestConversion,
        clock: Clock,
        limits: Limits,
    ) -> None:
        """Take videos within `limits` into `videos`."""
        self._videos = videos
        self._ledger = ledger
        self._request = request
        self._clock = clock
        self._limits = limits

    async def __call__(
        self, owner: Owner, declaration: Declaration, pieces: AsyncIterator[bytes]
    ) -> Conversion:
        """Give the QUEUED conversion, once video and request are stored for good.

        A repeat with the same `request_id` gives the first one's conversion. Raises a refusal if
        the declaration is bad or the bytes do not match it; then nothing stays stored, or, if the
        store is away by then, not for long.
        """
        declared = self._checked(declaration)
        video_id = VideoId(uuid.uuid4().hex)
        user = ConversionId(uuid.uuid4().hex)
        await self._ledger.begin(video_id, self._clock.now())
        sink = self._videos.begin(video_id)
        try:
            video = await self._receive(video_id, sink, declared, pieces)
            await sink.commit()
            _check_alive(alive=await self._ledger.store(video, user, self._clock.now()))
        except BaseException:
            # Shielded: a cancelled call must still clean up behind itself.
            await asyncio.shield(cleaned(self._throw_away(sink, video_id)))
            raise
        return await self._request(self._conversion(user, owner, declared, video))

    def _checked(self, declaration: Declaration) -> Declaration:
        check(declaration.options)
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
            options=declaration.options,
            size_bytes=declaration.size_bytes,
            sha256=sha256,
            request_id=normal_request_id(declaration.request_id),
        )

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_bytes:
            message = f"videos have at most {self._limits.max_bytes} bytes here"
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
        touched = self._clock.monotonic()
        async for piece in pieces:
            size += len(piece)
            self._check_size(size)
            if declared.size_bytes and size > declared.size_bytes:
                message = f"more than the declared {declared.size_bytes} bytes arrived"
                raise LengthMismatch(message)
            digest.update(piece)
            await sink.write(piece)
            if self._clock.monotonic() - touched >= self._limits.idle_seconds * TOUCH_SHARE:
                touched = self._clock.monotonic()
                _check_alive(alive=await self._ledger.touch(video_id, self._clock.now()))
        # A connection that breaks looks like an end (grpc.aio), so the end must be proven.
        _check_complete(declared, size, digest.hexdigest())
        return Video(video_id, declared.filename, size, digest.hexdigest())

    async def _throw_away(self, sink: VideoSink, video_id: VideoId) -> None:
        await sink.abort()
        # Last, so that whoever is killed in between leaves an entry to the sweeper.
        await self._ledger.remove(video_id)

    def _conversion(
        self, conversion_id: ConversionId, owner: Owner, declared: Declaration, video: Video
    ) -> Conversion:
        now = self._clock.now()
        return Conversion(
            id=conversion_id,
            owner=owner,
            video=video,
            options=declared.options,
            create_time=now,
            sign_time=now,
            request_id=declared.request_id,
            fingerprint=upload_fingerprint(video, declared.options),
        )


def _check_alive(*, alive: bool) -> None:
    if not alive:
        raise Outage("gateway: this upload was taken for dead")


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
