"""Look at a media file with PyAV, in a process of its own: `python -m ... PATH`, JSON on stdout.

Demuxing hostile files has crashed every library that does it, so no service does it in itself.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import av
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream

from converter_service.adapters.structure import lacks_bytes
from converter_service.engine.decoders import DECODERS
from converter_service.engine.demuxers import DEMUXERS

# Whose word on the track's or the file's length comes from tables or headers. MPEG-TS, MPEG-PS,
# Ogg and ADTS have none: what is reported for them was measured on what is there.
DECLARES_TRACK = frozenset(("mov", "avi", "flac", "mp3", "wav", "aiff"))
DECLARES_FILE = frozenset(("matroska", "flv", "asf"))
# For these libav cuts the declared length down to what is there.
CLIPPED_WHEN_CUT = frozenset(("avi", "wav", "aiff", "asf"))
CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(slots=True)
class Reach:
    """How far packets get, in seconds."""

    audio_start: float | None = None
    audio_end: float = 0.0
    audio_packets: int = 0
    carried: float = 0.0
    any_end: float = 0.0


def main(path: Path) -> dict[str, object]:
    """Describe the file's first audio track."""
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
        stream = container.streams.audio[0]
        reach = _scan(container, stream)
        if reach.audio_packets == 0 and not reach.any_end:
            return {"refused": "UNREADABLE_VIDEO"}
        return _describe(path, container, stream, reach, estimated=estimated)


def _scan(container: InputContainer, stream: AudioStream) -> Reach:
    """Demux everything and decode nothing; stops where the file breaks."""
    reach = Reach()
    while True:
        try:
            for packet in container.demux():
                _measure(packet, stream.index, reach)
        except IndexError:
            # MPEG-PS and FLV may show another stream on the way, which PyAV does not expect.
            continue
        except av.FFmpegError:
            return reach
        return reach


def _measure(packet: av.Packet[Stream], index: int, reach: Reach) -> None:
    if not packet.size or packet.is_corrupt or packet.time_base is None:
        return
    moment = packet.pts if packet.pts is not None else packet.dts
    lasts = float((packet.duration or 0) * packet.time_base)
    begins = float(moment * packet.time_base) if moment is not None else 0.0
    reach.any_end = max(reach.any_end, begins + lasts)
    if packet.stream_index != index:
        return
    reach.audio_packets += 1
    reach.carried += 0.0 if packet.is_discard else lasts
    reach.audio_end = max(reach.audio_end, begins + lasts)
    if reach.audio_start is None:
        reach.audio_start = begins


def _describe(
    path: Path, container: InputContainer, stream: AudioStream, reach: Reach, *, estimated: bool
) -> dict[str, object]:
    name = container.format.name.split(",")[0]
    cut_off = lacks_bytes(path)
    tag = CLOCK.match(stream.metadata.get("DURATION") or stream.metadata.get("DURATION-eng", ""))
    # A negative start is encoder priming, which no declared length counts.
    start = max(reach.audio_start or 0.0, 0.0)
    declared: float | None = None
    reached = reach.audio_end - start
    if estimated or (cut_off and name in CLIPPED_WHEN_CUT):
        pass
    elif name in DECLARES_TRACK and stream.duration and stream.time_base:
        declared = float(stream.duration * stream.time_base)
    elif name == "matroska" and tag:
        # The tag tells when the track ends, not how long it is.
        declared = int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
        reached = reach.audio_end
    elif name in DECLARES_FILE and container.duration:
        declared = container.duration / av.time_base
        reached = reach.any_end
    return {
        "container": name,
        "codec": stream.codec_context.name,
        "declared_seconds": declared,
        "reached_seconds": reached,
        "carried_seconds": reach.carried,
        "cut_off": cut_off,
        "audio_packets": reach.audio_packets,
    }


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1])), sys.stdout)
