"""Pack frames that were encoded without a bit reservoir into frames that share one.

A frame whose main data needs fewer bytes than its bit rate offers leaves the rest to those that
follow: their main data begins that many bytes earlier (main_data_begin, ISO 11172-3 2.4.2.7). So
a frame can take a lower bit rate than it would need alone. Every bit that a decoder uses stays as
it was; bit rate and main_data_begin change, and what was stuffing is gone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from converter_service.engine.mpeg_audio import Layout, MalformedStream

KEPT_OF_THIRD_BYTE = 0x0D
"""Sample rate and private bit; bit rate and padding are new."""


class Repacker:
    """Takes frames in order, and gives them back packed."""

    def __init__(self, layout: Layout) -> None:
        """Pack frames of one stream."""
        self._layout = layout
        self._indexes = [index for index, length in enumerate(layout.frame_bytes) if length]
        self._rooms = [layout.frame_bytes[index] - layout.start_bytes for index in self._indexes]
        self._reserve = 0
        # Heads of frames whose place is not filled yet, and how much fits there.
        self._open: deque[tuple[bytes, int]] = deque()
        self._main_data = bytearray()

    def add(self, frame: bytes) -> None:
        """Pack one more frame. Raises `MalformedStream` if its main data does not lie in it."""
        layout, start = self._layout, self._layout.start_bytes
        needed = layout.needed_bytes(frame)
        if layout.points_back(frame) or start + needed > len(frame):
            raise MalformedStream("the main data of a frame lies outside of it")
        choice = bisect_left(self._rooms, needed - self._reserve)
        head = bytearray(frame[:start])
        head[2] = self._indexes[choice] << 4 | head[2] & KEPT_OF_THIRD_BYTE
        layout.point_back(head, self._reserve)
        self._main_data += frame[start : start + needed]
        self._open.append((bytes(head), self._rooms[choice]))
        reserve = self._reserve + self._rooms[choice] - needed
        self._reserve = min(reserve, layout.reservoir_bytes)
        self._main_data += bytes(reserve - self._reserve)  # stuffing: nothing can point at it

    def take(self) -> list[bytes]:
        """Give the frames whose places are full."""
        full, used = [], 0
        while self._open and len(self._main_data) - used >= self._open[0][1]:
            head, room = self._open.popleft()
            full.append(head + self._main_data[used : used + room])
            used += room
        del self._main_data[:used]
        return full

    def finish(self) -> list[bytes]:
        """Give the last frames, stuffed."""
        self._main_data += bytes(self._reserve)
        self._reserve = 0
        return self.take()
