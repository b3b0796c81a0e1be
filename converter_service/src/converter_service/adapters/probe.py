"""Look at a media file with PyAV, in a process of its own: `python -m ... PATH COVER`.

Writes JSON to stdout, of a bounded size whatever the file holds, and the file's picture of itself,
if it has one, to COVER. Demuxing hostile files has crashed every library that does it, so no
service does it in itself.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition

from converter_service.adapters.probe_texts import (
    MOST_COVER_BYTES,
    chapters,
    language,
    tags,
    text,
)
from converter_service.adapters.structure import lacks_bytes
from converter_service.engine.decoders import DECODERS
from converter_service.engine.demuxers import DEMUXERS

# Whose word on the track's or the file's length comes from tables or headers. MPEG-TS, MPEG-PS,
# Ogg and ADTS have none: what is reported for them was measured on what is there.
DECLARES_TRACK = frozenset(("mov", "avi", "flac", "mp3", "wav", "aiff"))
DECLARES_FILE = frozenset(("matroska", "flv", "asf"))
# For these libav cuts the declared length down to what is there.
CLIPPED_WHEN_CUT = frozenset(("avi", "wav", "aiff", "asf"))
# Here the index says where the audio lies, and nothing but audio is read.
READS_BY_INDEX = frozenset(("mov",))
CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
MOST_TRACKS = 64
PICTURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


@dataclass(slots=True)
class Reach:
    """How far the packets of a stream get, in ticks of its clock.

    Whole numbers until the end: there are a hundred thousand packets in an hour of audio, and
    fractions would take longer than reading them.
    """

    tick: Fraction
    start: int | None = None
    end: int = 0
    carried: int = 0
    packets: int = 0

    def add(self, moment: int, lasts: int, *, is_heard: bool) -> None:
        """Count a packet."""
        self.packets += 1
        self.end = max(self.end, moment + lasts)
        if self.start is None:
            self.start = moment
        if is_heard:
            self.carried += lasts

    @property
    def end_seconds(self) -> float:
        """Tell where the last packet ends."""
        return float(self.end * self.tick)


Reaches = dict[int, Reach]


def main(path: Path, cover: Path) -> dict[str, object]:
    """Describe the file."""
    av.logging.set_level(av.logging.WARNING)
    with av.logging.Capture(local=False) as messages:
        try:
            container = av.open(
                str(path),
                options={
                    "format_whitelist": ",".join(DEMUXERS),
                    "codec_whitelist": ",".join(DECODERS),
                    "protocol_whitelist": "file",
                },
                metadata_errors="replace",
            )
        except (av.FFmpegError, ValueError):
            return {"refused": "UNREADABLE_VIDEO"}
        estimated = any("Estimating duration" in text for _, _, text in messages)
    av.logging.set_level(None)
    with container:
        if not container.streams.audio:
            return {"refused": "NO_AUDIO"}
        picture = _picture_index(container)
        reaches, found = _scan(container, picture)
        if not reaches and not _is_empty(container):
            return {"refused": "UNREADABLE_VIDEO"}
        ends = Ends(path, container, reaches, estimated=estimated)
        return _describe(container, ends, _keep_picture(found, cover))


def _is_empty(container: InputContainer) -> bool:
    """Tell whether the index itself says that there is no audio, of a file that has one."""
    name = container.format.name.split(",")[0]
    return name in READS_BY_INDEX and not any(each.frames for each in container.streams.audio)


def _picture_index(container: InputContainer) -> int:
    """Find the stream that is a picture of the file; -1 if none is."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            return stream.index
    return -1


def _scan(container: InputContainer, picture: int) -> tuple[Reaches, bytes]:
    """Demux everything and decode nothing; stops where the file breaks."""
    if container.format.name.split(",")[0] in READS_BY_INDEX:
        for stream in container.streams:
            if stream.type != "audio" and stream.index != picture:
                stream.discard = Discard.all
    reaches: Reaches = {}
    found: list[bytes] = []
    while True:
        try:
            _measure(container, reaches, picture, found)
        except IndexError:
            # MPEG-PS and FLV may show another stream on the way, which PyAV does not expect.
            continue
        except av.FFmpegError:
            pass
        return reaches, b"".join(found)


def _measure(container: InputContainer, reaches: Reaches, picture: int, found: list[bytes]) -> None:
    for packet in container.demux():
        if not packet.size or packet.is_corrupt:
            continue
        index = packet.stream_index
        if index == picture:
            if not found and packet.size <= MOST_COVER_BYTES:
                found.append(bytes(packet))
            continue
        reach = reaches.get(index)
        if reach is None:
            reach = reaches[index] = Reach(packet.time_base or Fraction(0))
        moment = packet.pts if packet.pts is not None else packet.dts or 0
        reach.add(moment, packet.duration or 0, is_heard=not packet.is_discard)


class Ends:
    """Where the file's tracks end by their own account, and where they do."""

    def __init__(
        self, path: Path, container: InputContainer, reaches: Reaches, *, estimated: bool
    ) -> None:
        """Compare the container with what was found; its word is nothing if it was `estimated`."""
        self.name = container.format.name.split(",")[0]
        self.cut_off = lacks_bytes(path)
        self._file_seconds = container.duration / av.time_base if container.duration else None
        self._reaches = reaches
        self._any_end = max((each.end_seconds for each in reaches.values()), default=0.0)
        self._is_mute = estimated or (self.cut_off and self.name in CLIPPED_WHEN_CUT)

    def of(self, stream: AudioStream) -> dict[str, object]:
        """Tell it of a track."""
        reach = self._reaches.get(stream.index, Reach(Fraction(1)))
        # A negative start is encoder priming, which no declared length counts.
        start = max(float((reach.start or 0) * reach.tick), 0.0)
        declared, reached = self._declared(stream, reach.end_seconds, start)
        return {
            "declared_seconds": declared,
            "reached_seconds": reached,
            "carried_seconds": float(reach.carried * reach.tick),
            "packets": reach.packets,
        }

    def _declared(
        self, stream: AudioStream, end: float, start: float
    ) -> tuple[float | None, float]:
        tags = stream.metadata
        clock = CLOCK.match(tags.get("DURATION") or tags.get("DURATION-eng", ""))
        if self._is_mute:
            return None, end - start
        if self.name in DECLARES_TRACK and stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base), end - start
        if self.name == "matroska" and clock:
            # The tag tells when the track ends, not how long it is.
            return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]), end
        if self.name in DECLARES_FILE and self._file_seconds:
            return self._file_seconds, self._any_end
        return None, end - start


def _describe(container: InputContainer, ends: Ends, cover: object) -> dict[str, object]:
    streams = container.streams.audio[:MOST_TRACKS]
    return {
        "container": ends.name,
        "cut_off": ends.cut_off,
        "tracks": [_track(each) | ends.of(each) for each in streams],
        "chapters": chapters(container.chapters()),
        # Ogg keeps them with the track.
        "tags": tags({**streams[0].metadata, **container.metadata}),
        "cover": cover,
    }


def _track(stream: AudioStream) -> dict[str, object]:
    codec = stream.codec_context
    return {
        "codec": codec.name,
        "sample_rate_hz": codec.sample_rate or 0,
        "channels": codec.channels or 0,
        "bits": _bits(stream),
        "language": language(stream.metadata),
        "title": text(stream.metadata.get("title", "")),
        "is_default": bool(stream.disposition & Disposition.default),
    }


def _bits(stream: AudioStream) -> int:
    """Tell how many bits of a sample mean something; lossy codecs have no such number."""
    codec = stream.codec_context
    sample_format = str(getattr(codec.format, "name", ""))
    is_float = sample_format.startswith(("flt", "dbl")) and codec.name.startswith("pcm_")
    return 24 if is_float or sample_format.startswith("s32") else 16


def _keep_picture(picture: bytes, target: Path) -> dict[str, object] | None:
    """Write the picture to a file if it is one by its own first bytes."""
    for magic, content_type in PICTURES.items():
        if picture.startswith(magic):
            target.write_bytes(picture)
            return {"content_type": content_type, "size_bytes": len(picture)}
    return None


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1]), Path(sys.argv[2])), sys.stdout)
