"""Write what was found in a file, and measured; decides nothing."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from converter_service.domain import Measured, Source, Track
from tonearm.gateway.v1 import source_pb2

NANOSECONDS = 1_000_000_000


def source_message(source: Source) -> source_pb2.Source:
    """Write a source for its owner."""
    message = source_pb2.Source(
        container=source.container,
        duration=_duration(round(source.track.audio.expected_seconds * NANOSECONDS)),
        audio_tracks=[_track_message(track) for track in source.tracks],
        chosen_track=source.chosen,
        chapters=[
            source_pb2.Chapter(
                start=_duration(each.start_ns), end=_duration(each.end_ns), title=each.title
            )
            for each in source.chapters
        ],
        tags=dict(source.tags),
    )
    if source.cover is not None:
        message.cover.content_type = source.cover.content_type
        message.cover.size_bytes = source.cover.size_bytes
    return message


def loudness_message(measured: Measured) -> source_pb2.MeasuredLoudness:
    """Write what was measured, and what followed."""
    return source_pb2.MeasuredLoudness(
        integrated_lufs=measured.integrated_lufs,
        range_lu=measured.range_lu,
        true_peak_dbtp=measured.true_peak_dbtp,
        gain_db=measured.gain_db,
    )


def _track_message(track: Track) -> source_pb2.AudioTrack:
    return source_pb2.AudioTrack(
        codec=track.audio.codec,
        sample_rate_hz=track.sample_rate_hz,
        channels=track.channels,
        language=track.language,
        title=track.title,
        is_default=track.is_default,
        duration=_duration(round(track.audio.expected_seconds * NANOSECONDS)),
    )


def _duration(nanoseconds: int) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(nanoseconds)
    return duration
