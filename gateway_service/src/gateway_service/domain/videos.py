"""What a video is called, and what is known of it while it is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from gateway_service.domain.refusals import MissingFilename

VideoId = NewType("VideoId", str)

MAX_FILENAME_LENGTH = 200
# Control characters, and the invisible ones that turn a name's direction around.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Video:
    """An uploaded video, complete."""

    id: VideoId
    filename: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A video on its way in, and when its bytes last came."""

    video_id: VideoId
    touch_time: datetime


def safe_filename(text: str) -> str:
    """Drop directories and control characters from a name. Raises `MissingFilename`."""
    name = UNPRINTABLE.sub("", text).replace("\\", "/").rpartition("/")[2].strip(" .")
    if not name:
        message = "give the video a name: filename=holiday.mp4"
        raise MissingFilename(message)
    if len(name) <= MAX_FILENAME_LENGTH:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > MAX_FILENAME_LENGTH // 10:
        return name[:MAX_FILENAME_LENGTH]
    return f"{stem[: MAX_FILENAME_LENGTH - len(extension) - 1]}.{extension}"
