"""Why a conversion fails, and whose fault that is."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class FailureReason(StrEnum):
    """Why a conversion failed for good; the names of events.v1 without their prefix."""

    UNREADABLE_VIDEO = "UNREADABLE_VIDEO"
    NO_AUDIO = "NO_AUDIO"
    TRUNCATED_VIDEO = "TRUNCATED_VIDEO"
    VIDEO_LOST = "VIDEO_LOST"
    TIMED_OUT = "TIMED_OUT"
    ENGINE_FAILED = "ENGINE_FAILED"
    STORAGE_FULL = "STORAGE_FULL"
    NO_SUCH_TRACK = "NO_SUCH_TRACK"
    NOTHING_LEFT = "NOTHING_LEFT"
    VIDEO_TOO_LONG = "VIDEO_TOO_LONG"
    OUT_OF_PROPORTION = "OUT_OF_PROPORTION"
    AUDIO_TOO_LARGE = "AUDIO_TOO_LARGE"


class Refusal(Exception):
    """A conversion that no repeat can save; `reason` is for programs, `sentence` for people."""

    reason: ClassVar[FailureReason]
    sentence: ClassVar[str]


class UnreadableVideo(Refusal):
    """The file is nothing the engine can read."""

    reason = FailureReason.UNREADABLE_VIDEO
    sentence = "The file is not a video or audio file that can be read, or it is badly damaged."


class NoAudio(Refusal):
    """There is nothing to hear."""

    reason = FailureReason.NO_AUDIO
    sentence = "The video has no audio track."


class NoSuchTrack(Refusal):
    """There is something to hear, but not what was asked for."""

    reason = FailureReason.NO_SUCH_TRACK
    sentence = "The video has no such audio track as was asked for."


class NothingLeft(Refusal):
    """The part that was asked for begins where the audio has ended."""

    reason = FailureReason.NOTHING_LEFT
    sentence = "The part that was asked for begins after the end of the audio."


class TruncatedVideo(Refusal):
    """The file ends, or breaks, before its audio does."""

    reason = FailureReason.TRUNCATED_VIDEO
    sentence = "The video is incomplete: part of its audio is missing. Please upload it again."


class VideoLost(Refusal):
    """The stored video is gone, or no longer what was uploaded."""

    reason = FailureReason.VIDEO_LOST
    sentence = "The uploaded video is no longer available. Please upload it again."


class ConversionTimedOut(Refusal):
    """The engine ran longer than its limit, or stood still."""

    reason = FailureReason.TIMED_OUT
    sentence = "The conversion took too long and was stopped."


class VideoTooLong(Refusal):
    """There is more to hear, or claims to be, than this service converts."""

    reason = FailureReason.VIDEO_TOO_LONG
    sentence = "The video is longer than this service converts."


class OutOfProportion(Refusal):
    """A small file unpacks to very much audio."""

    reason = FailureReason.OUT_OF_PROPORTION
    sentence = "The file is far too small for the audio that it unpacks to."


class AudioTooLarge(Refusal):
    """The result would be larger than this service makes."""

    reason = FailureReason.AUDIO_TOO_LARGE
    sentence = "The audio would be larger than this service makes. A lower bit rate may help."


class EngineFailure(Exception):
    """The engine failed for a reason that is not the video's fault; it may work next time."""
