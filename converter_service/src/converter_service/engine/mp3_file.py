"""Write frames into an MP3 file: a reservoir shared by all, and the tag that players need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from converter_service.engine.lame_tag import TagWriter
from converter_service.engine.mpeg_audio import Layout
from converter_service.engine.reservoir import Repacker

BATCH_FRAMES = 64


class MP3File:
    """An MP3 that grows at its end; its first frame is written last."""

    def __init__(self, file: BinaryIO, *, quality: int) -> None:
        """Write into an empty file that can be rewound."""
        self._file = file
        self._quality = quality
        self._repacker: Repacker | None = None
        self._tag: TagWriter | None = None
        self.frames = 0

    def add(self, frames: Sequence[bytes]) -> None:
        """Append frames that use no reservoir. Raises `MalformedStream` and `OSError`."""
        if not frames:
            return
        if self._repacker is None or self._tag is None:
            layout = Layout.of(frames[0])
            self._repacker = Repacker(layout)
            self._tag = TagWriter(layout, frames[0], quality=self._quality)
            self._file.write(self._tag.placeholder)
        self.frames += len(frames)
        for begin in range(0, len(frames), BATCH_FRAMES):
            for frame in frames[begin : begin + BATCH_FRAMES]:
                self._repacker.add(frame)
            self._file.write(self._tag.add(self._repacker.take()))

    def finish(self, samples: int) -> None:
        """Write the last frames and the tag of audio that has so many samples."""
        if self._repacker is None or self._tag is None:
            return
        self._file.write(self._tag.add(self._repacker.finish()))
        self._file.seek(0)
        self._file.write(self._tag.tag(samples))
