"""Decode what was made and compare it with what it says of itself."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from converter_service.adapters.levels import Meter
from converter_service.domain import DecodedAudio, EngineFailure
from converter_service.engine import commands
from converter_service.engine.declared import declared_samples
from converter_service.engine.encodings import Encoding, Quality
from converter_service.engine.lame_tag import read_lame_tag
from converter_service.engine.mpeg_audio import MalformedStream

MOST_HEAD_BYTES = 4096
RIFF_BYTES, CHUNK_HEAD_BYTES = 12, 8


class Check:
    """A command that decodes, and the measure of what it says."""

    def __init__(self, command: Sequence[str], meter: Meter, tagged_samples: int | None) -> None:
        """Measure with `meter`."""
        self.command = command
        self._meter = meter
        self._tagged_samples = tagged_samples

    def add(self, piece: bytes) -> None:
        """Measure a piece."""
        self._meter.add(piece)

    def result(self) -> DecodedAudio:
        """Tell what there was."""
        meter = self._meter
        return DecodedAudio(
            meter.samples,
            self._tagged_samples,
            meter.sample_rate_hz,
            meter.channels,
            meter.peak_dbfs,
            meter.waveform(),
        )


class WavCheck:
    """The same for a command that says rate and channels in a WAV head."""

    def __init__(self, command: Sequence[str], tagged_samples: int | None) -> None:
        """Expect the head of WAV first."""
        self.command = command
        self._tagged_samples = tagged_samples
        self._head = b""
        self._check: Check | None = None

    def add(self, piece: bytes) -> None:
        """Measure a piece. Raises `EngineFailure` if the first ones are no WAV."""
        if self._check is None:
            self._head += piece
            found = _head_of(self._head)
            if found is None:
                return
            channels, rate, begin = found
            piece = self._head[begin:]
            self._check = Check(self.command, Meter(rate, channels), self._tagged_samples)
        self._check.add(piece)

    def result(self) -> DecodedAudio:
        """Tell what there was. Raises `EngineFailure` if there was nothing."""
        if self._check is None:
            raise EngineFailure("the audio decodes to nothing")
        return self._check.result()


def check_of(program: str, audio: Path, making: Encoding | Quality) -> Check | WavCheck:
    """Choose the check; blocks. Raises `EngineFailure` if the file is not what was to be made."""
    try:
        if isinstance(making, Encoding) and making.demuxer != "mp3":
            command = commands.decode_other(program, audio, making)
            return WavCheck(command, declared_samples(audio))
        tag = read_lame_tag(audio)
    except MalformedStream as error:
        raise EngineFailure("the file does not say how long it is") from error
    meter = Meter(tag.sample_rate_hz, tag.channels)
    return Check(commands.decode_mp3(program, audio), meter, tag.samples)


def _head_of(head: bytes) -> tuple[int, int, int] | None:
    """Find channels, rate, and where the samples begin; None if more of it is to come."""
    at, channels, rate = RIFF_BYTES, 0, 0
    while at + CHUNK_HEAD_BYTES <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        at += CHUNK_HEAD_BYTES
        if name == b"data" and rate:
            return channels, rate, at
        if name == b"fmt " and at + size <= len(head):
            channels, rate = struct.unpack_from("<HI", head, at + 2)
        at += size
    if len(head) > MOST_HEAD_BYTES:
        raise EngineFailure("the decoder made no WAV")
    return None
