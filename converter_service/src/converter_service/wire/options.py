"""Between AudioOptions and the domain; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from converter_service.domain import (
    Chapters,
    Copying,
    Cover,
    Format,
    Loudness,
    Options,
    Preset,
    Tags,
    TagsOrigin,
    TrackChoice,
    Trim,
)
from tonearm.gateway.v1 import conversion_pb2
from tonearm_chassis.envelope import MalformedEvent

Pb = conversion_pb2.AudioOptions
Value = TypeVar("Value")
Number = TypeVar("Number", bound=int)

FORMATS: Mapping[Any, Format] = {
    Pb.FORMAT_UNSPECIFIED: Format.MP3,
    Pb.MP3: Format.MP3,
    Pb.AAC: Format.AAC,
    Pb.OPUS: Format.OPUS,
    Pb.FLAC: Format.FLAC,
    Pb.WAV: Format.WAV,
}
PRESETS: Mapping[Any, Preset | None] = {
    Pb.PRESET_UNSPECIFIED: None,
    Pb.STANDARD: Preset.STANDARD,
    Pb.BEST: Preset.BEST,
    Pb.SMALL: Preset.SMALL,
    Pb.FAST: Preset.FAST,
}
COPYINGS: Mapping[Any, Copying] = {
    Pb.COPY_UNSPECIFIED: Copying.AUTO,
    Pb.AUTO: Copying.AUTO,
    Pb.NEVER: Copying.NEVER,
}
COVERS: Mapping[Any, Cover] = {
    Pb.COVER_UNSPECIFIED: Cover.SOURCE,
    Pb.SOURCE_COVER: Cover.SOURCE,
    Pb.NO_COVER: Cover.NONE,
}
CHAPTERS: Mapping[Any, Chapters] = {
    Pb.CHAPTERS_UNSPECIFIED: Chapters.KEEP,
    Pb.KEEP: Chapters.KEEP,
    Pb.DROP: Chapters.DROP,
}
ORIGINS: Mapping[Any, TagsOrigin] = {
    conversion_pb2.Tags.ORIGIN_UNSPECIFIED: TagsOrigin.SOURCE,
    conversion_pb2.Tags.SOURCE: TagsOrigin.SOURCE,
    conversion_pb2.Tags.NOTHING: TagsOrigin.NOTHING,
}
TAG_NAMES = tuple(
    sorted(
        field.name
        for field in conversion_pb2.Tags.DESCRIPTOR.fields
        if field.type == field.TYPE_STRING
    )
)
# Beyond any recording, and far below where 64 bits end.
MOST_SAMPLES = 1 << 40
MOST_NANOSECONDS = 1 << 53
MOST_SOFT_DB = -100


def options_of(message: conversion_pb2.AudioOptions) -> Options:
    """Read options. Raises `MalformedEvent` for whatever this version does not know.

    A newer gateway may ask for more; to leave that out would be to do something else.
    """
    _require_known_fields(message)
    _require_sane(message)
    track, trim = message.track, message.trim
    return Options(
        format=_known(FORMATS, message.format, "format"),
        preset=_known(PRESETS, message.preset, "preset"),
        vbr_quality=message.vbr_quality if message.HasField("vbr_quality") else None,
        bitrate_kbps=message.bitrate_kbps,
        sample_rate_hz=message.sample_rate_hz,
        channels=message.channels,
        track=TrackChoice(track.index if track.HasField("index") else None, track.language),
        trim=Trim(
            start_ns=_nanoseconds(trim, "start"),
            end_ns=_nanoseconds(trim, "end"),
            start_sample=trim.start_sample if trim.HasField("start_sample") else None,
            end_sample=trim.end_sample if trim.HasField("end_sample") else None,
        ),
        loudness=_loudness(message.loudness) if message.HasField("loudness") else None,
        tags=_tags(message.tags),
        cover=_known(COVERS, message.cover, "cover"),
        chapters=_known(CHAPTERS, message.chapters, "chapters"),
        copying=_known(COPYINGS, message.copy, "copy"),
    )


def options_message(options: Options) -> conversion_pb2.AudioOptions:
    """Write options; what was not said as what it means."""
    message = conversion_pb2.AudioOptions(
        bitrate_kbps=options.bitrate_kbps,
        format=_number(FORMATS, options.format),
        preset=_number(PRESETS, options.settled_preset),
        vbr_quality=options.vbr_quality,
        sample_rate_hz=options.sample_rate_hz,
        channels=options.channels,
        cover=_number(COVERS, options.cover),
        chapters=_number(CHAPTERS, options.chapters),
        copy=_number(COPYINGS, options.copying),
    )
    if options.track != TrackChoice():
        message.track.language = options.track.language
        if options.track.index is not None:
            message.track.index = options.track.index
    if options.trim != Trim():
        message.trim.CopyFrom(_trim_message(options.trim))
    if options.loudness is not None:
        message.loudness.target_lufs = options.loudness.target_lufs
        message.loudness.true_peak_dbtp = options.loudness.true_peak_dbtp
    if options.tags != Tags():
        for name, text in options.tags.given:
            setattr(message.tags, name, text)
        message.tags.origin = _number(ORIGINS, options.tags.origin)
    return message


def _trim_message(trim: Trim) -> conversion_pb2.Trim:
    message = conversion_pb2.Trim(start_sample=trim.start_sample, end_sample=trim.end_sample)
    if trim.start_ns is not None:
        message.start.FromNanoseconds(trim.start_ns)
    if trim.end_ns is not None:
        message.end.FromNanoseconds(trim.end_ns)
    return message


def _loudness(message: conversion_pb2.Loudness) -> Loudness:
    plain = Loudness()
    return Loudness(
        message.target_lufs if message.HasField("target_lufs") else plain.target_lufs,
        message.true_peak_dbtp if message.HasField("true_peak_dbtp") else plain.true_peak_dbtp,
    )


def _tags(message: conversion_pb2.Tags) -> Tags:
    given = ((name, getattr(message, name)) for name in TAG_NAMES)
    return Tags(
        _known(ORIGINS, message.origin, "tags.origin"),
        tuple((name, text) for name, text in given if text),
    )


def _nanoseconds(trim: conversion_pb2.Trim, border: Literal["start", "end"]) -> int | None:
    if not trim.HasField(border):
        return None
    duration: Duration = getattr(trim, border)
    return duration.seconds * 10**9 + duration.nanos


def _require_sane(message: conversion_pb2.AudioOptions) -> None:
    """Refuse what no gateway sends; it has compared the options with one another."""
    trim = message.trim
    for name, value, values in (
        ("vbr_quality", message.vbr_quality, range(10)),
        ("bitrate_kbps", message.bitrate_kbps, range(321)),
        ("sample_rate_hz", message.sample_rate_hz, range(192_001)),
        ("channels", message.channels, range(3)),
        ("track", message.track.index, range(64)),
        ("trim.start", _nanoseconds(trim, "start") or 0, range(MOST_NANOSECONDS)),
        ("trim.end", _nanoseconds(trim, "end") or 0, range(MOST_NANOSECONDS)),
        ("trim.start_sample", trim.start_sample, range(MOST_SAMPLES)),
        ("trim.end_sample", trim.end_sample, range(MOST_SAMPLES)),
    ):
        if value not in values:
            raise MalformedEvent(f"options.{name}")
    for level in (message.loudness.target_lufs, message.loudness.true_peak_dbtp):
        if not MOST_SOFT_DB <= level <= 0:
            raise MalformedEvent("options.loudness")


def _require_known_fields(message: Message) -> None:
    if len(UnknownFieldSet(message)):
        raise MalformedEvent(f"{message.DESCRIPTOR.name} has a field that is not known here")
    for field, value in message.ListFields():
        if field.message_type is not None:
            _require_known_fields(value)


def _known(table: Mapping[Any, Value], number: int, field: str) -> Value:
    if number not in table:
        raise MalformedEvent(f"options.{field}: {number}")
    return table[number]


def _number(table: Mapping[Number, Value], value: Value) -> Number:
    """Find the highest number: the zero of an enum is not sent where there is another."""
    return max(number for number, each in table.items() if each == value)
