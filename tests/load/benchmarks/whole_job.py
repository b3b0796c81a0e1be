"""The whole job through Envoy: from the last byte of the upload to SUCCEEDED."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import contestants
from .rows import Cost, Row, alternate, ratio, wall
from .running import Running, running
from .sizes import Size
from .sources import large_film, make_different

GOALS = {"faststart": 0.15, "index_at_end": 0.6}


def whole_job(directory: Path, size: Size) -> Iterator[Row]:
    """Upload a large video again and again, in turns with ffmpeg on the same file."""
    for name, goal in GOALS.items():
        video = large_film(
            directory, size.long_seconds, size.large_megabytes, index_first=name == "faststart"
        )
        # A stack of its own: the store gives the disk back when it goes.
        with running(directory) as stack:
            job = Job(stack, video, directory / "theirs.mp3")
            ffmpeg, ours = alternate(size.rounds, job.ffmpeg, job.tonearm)
        video.unlink()
        what = (
            f"10 min MOV of {size.large_megabytes} MB, {name.replace('_', ' ')}: "
            "last byte to SUCCEEDED, as a share of ffmpeg's time"
        )
        value = ratio(ours, ffmpeg, wall)
        yield Row(f"job_{name}", what, value, goal, is_share_of_time=True)


class Job:
    """Converts one video, by either."""

    def __init__(self, stack: Running, video: Path, target: Path) -> None:
        self._stack = stack
        self._video = video
        self._target = target
        self._rounds = 0

    def ffmpeg(self) -> Cost:
        """Convert with the bare program."""
        return contestants.ffmpeg(self._video, self._target)

    def tonearm(self) -> Cost:
        """Upload, watch, and leave nothing that the next round would have to wait for."""
        self._rounds += 1
        make_different(self._video, self._rounds)
        self._stack.login()
        upload = self._stack.upload(self._video)
        ended = self._stack.await_success(upload)
        self._stack.clear(upload)
        return Cost(ended - upload.last_byte)
