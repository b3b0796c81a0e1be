"""What callers ask for and do not get."""

from __future__ import annotations


class Refusal(Exception):
    """Something the caller asked for that is not done; its text is for people."""


class MissingFilename(Refusal):
    """The upload has no name."""


class OptionRefusal(Refusal):
    """An option that cannot be had; `field` names it as the contract does, below AudioOptions."""

    def __init__(self, field: str, message: str) -> None:
        """Say what is wrong with `field`."""
        super().__init__(message)
        self.field = field


class InvalidBitrate(OptionRefusal):
    """The format knows no such bit rate."""


class InvalidOption(OptionRefusal):
    """There is no such value."""


class ContradictoryOptions(OptionRefusal):
    """Each option is good, but not beside the others."""


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
