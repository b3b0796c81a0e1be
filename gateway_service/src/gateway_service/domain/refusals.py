"""What callers ask for and do not get."""

from __future__ import annotations


class Refusal(Exception):
    """Something the caller asked for that is not done; its text is for people."""


class MissingFilename(Refusal):
    """The upload has no name."""


class InvalidBitrate(Refusal):
    """MP3 knows no such bit rate."""


class InvalidSHA256(Refusal):
    """The declared checksum is none."""


class InvalidRequestId(Refusal):
    """The request id is no UUID."""


class LengthRequired(Refusal):
    """The upload does not say where it ends."""


class EmptyVideo(Refusal):
    """The upload has no bytes."""


class IncompleteVideo(Refusal):
    """The upload ended before its declared length."""


class LengthMismatch(Refusal):
    """The upload went on after its declared length."""


class ChecksumMismatch(Refusal):
    """The upload's bytes are not those that were declared."""


class VideoTooLarge(Refusal):
    """The upload is larger than this service takes."""


class RequestIdReused(Refusal):
    """The request id belongs to another request."""


class ConversionDeleted(Refusal):
    """The conversion that the request id belongs to was deleted since."""


class UnknownConversion(Refusal):
    """The caller has no such conversion."""


class ConversionOver(Refusal):
    """The conversion has ended, so it cannot be called off."""


class ConversionNotRetryable(Refusal):
    """The conversion has not ended, or has ended well."""


class VideoExpired(Refusal):
    """The video is kept no longer."""


class AudioNotReady(Refusal):
    """The conversion has no audio, yet or ever."""


class AudioExpired(Refusal):
    """The audio is kept no longer."""


class UnknownWaveform(Refusal):
    """The audio was made before waveforms were."""


class InvalidWaveformFormat(Refusal):
    """A waveform is not drawn like that."""


class InvalidPageSize(Refusal):
    """The page size is negative."""


class InvalidPageToken(Refusal):
    """The page token was not made here."""


class UnknownAsset(Refusal):
    """The page has no such file."""
