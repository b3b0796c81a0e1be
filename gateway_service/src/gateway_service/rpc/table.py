"""The one table of refusals: which status and reason each is answered with."""

from __future__ import annotations

from http import HTTPStatus

import grpc

from gateway_service import domain
from tonearm_chassis.status import Answer, StatusTable
from tonearm_chassis.tokens import TOKEN_TABLE

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

TABLE: StatusTable = {
    **TOKEN_TABLE,
    domain.MissingFilename: Answer(INVALID, "MISSING_FILENAME"),
    domain.InvalidBitrate: Answer(INVALID, "INVALID_BITRATE"),
    domain.InvalidOption: Answer(INVALID, "INVALID_OPTION"),
    domain.ContradictoryOptions: Answer(INVALID, "CONTRADICTORY_OPTIONS"),
    domain.InvalidSHA256: Answer(INVALID, "INVALID_SHA256"),
    domain.InvalidRequestId: Answer(INVALID, "INVALID_REQUEST_ID"),
    domain.LengthRequired: Answer(INVALID, "LENGTH_REQUIRED"),
    domain.EmptyVideo: Answer(INVALID, "EMPTY_VIDEO"),
    domain.IncompleteVideo: Answer(INVALID, "INCOMPLETE_VIDEO"),
    domain.LengthMismatch: Answer(INVALID, "LENGTH_MISMATCH"),
    domain.ChecksumMismatch: Answer(INVALID, "CHECKSUM_MISMATCH"),
    domain.VideoTooLarge: Answer(grpc.StatusCode.RESOURCE_EXHAUSTED, "VIDEO_TOO_LARGE"),
    domain.RequestIdReused: Answer(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    domain.ConversionDeleted: Answer(PRECONDITION, "CONVERSION_DELETED"),
    domain.ConversionOver: Answer(PRECONDITION, "CONVERSION_OVER"),
    domain.ConversionNotRetryable: Answer(PRECONDITION, "CONVERSION_NOT_RETRYABLE"),
    domain.VideoExpired: Answer(PRECONDITION, "VIDEO_EXPIRED"),
    domain.UnknownConversion: Answer(grpc.StatusCode.NOT_FOUND, "UNKNOWN_CONVERSION"),
    domain.AudioNotReady: Answer(PRECONDITION, "AUDIO_NOT_READY"),
    domain.AudioExpired: Answer(PRECONDITION, "AUDIO_EXPIRED", HTTPStatus.GONE),
    domain.UnknownWaveform: Answer(grpc.StatusCode.NOT_FOUND, "UNKNOWN_WAVEFORM"),
    domain.InvalidWaveformFormat: Answer(INVALID, "INVALID_WAVEFORM_FORMAT"),
    domain.InvalidPageSize: Answer(INVALID, "INVALID_PAGE_SIZE"),
    domain.InvalidPageToken: Answer(INVALID, "INVALID_PAGE_TOKEN"),
    domain.UnknownAsset: Answer(grpc.StatusCode.NOT_FOUND, "UNKNOWN_ASSET"),
}
