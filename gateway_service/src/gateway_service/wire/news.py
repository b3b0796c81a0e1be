"""Read the events that others tell of a conversion; decides nothing."""

from __future__ import annotations

from collections.abc import Callable

from gateway_service.domain import (
    Audio,
    AudioId,
    CancellationConfirmed,
    Change,
    ConversionId,
    DeletionConfirmed,
    Failed,
    Failure,
    MeasuredLoudness,
    Notified,
    Party,
    Progressed,
    Started,
    Succeeded,
)
from gateway_service.wire.times import moment
from tonearm.events.v1 import events_pb2
from tonearm.gateway.v1 import source_pb2
from tonearm_chassis.envelope import Envelope, MalformedEvent

News = tuple[ConversionId, Change]

PARTIES: dict[int, Party] = {
    events_pb2.PARTY_CONVERTER: Party.CONVERTER,
    events_pb2.PARTY_NOTIFIER: Party.NOTIFIER,
}
# Converters bound what they say of a source; this is for one that does not.
MOST_SOURCE_BYTES = 512 * 1024
REASON_PREFIX = "FAILURE_REASON_"


def change_of(envelope: Envelope) -> News:
    """Read news of a conversion. Raises `MalformedEvent` for anything else."""
    read = READERS.get(envelope.type.removeprefix("tonearm.events.v1."))
    if read is None:
        raise MalformedEvent(envelope.type)
    return read(envelope)


def _started(envelope: Envelope) -> News:
    event = envelope.open(events_pb2.ConversionStarted)
    return ConversionId(event.conversion_id), Started(event.fence, moment(event.start_time))


def _progressed(envelope: Envelope) -> News:
    event = envelope.open(events_pb2.ConversionProgressed)
    return ConversionId(event.conversion_id), Progressed(event.fence, event.progress)


def _succeeded(envelope: Envelope) -> News:
    event = envelope.open(events_pb2.ConversionSucceeded)
    audio = Audio(
        id=AudioId(event.audio_id),
        size_bytes=event.size_bytes,
        sha256=event.sha256,
        duration=event.duration.ToTimedelta(),
        sample_rate_hz=event.sample_rate_hz,
        channels=event.channels,
        peak_dbfs=event.peak_dbfs,
        engine=event.engine,
        loudness=_loudness(event.loudness) if event.HasField("loudness") else None,
        is_copy=event.is_copy,
    )
    source = event.source.SerializeToString() if event.HasField("source") else None
    if source is not None and len(source) > MOST_SOURCE_BYTES:
        source = None
    succeeded = Succeeded(event.fence, audio, moment(event.end_time), source)
    return ConversionId(event.conversion_id), succeeded


def _loudness(message: source_pb2.MeasuredLoudness) -> MeasuredLoudness:
    return MeasuredLoudness(
        message.integrated_lufs, message.range_lu, message.true_peak_dbtp, message.gain_db
    )


def _failed(envelope: Envelope) -> News:
    event = envelope.open(events_pb2.ConversionFailed)
    failure = Failure(_reason(event.reason), event.message)
    return ConversionId(event.conversion_id), Failed(event.fence, failure, moment(event.end_time))


def _notified(envelope: Envelope) -> News:
    event = envelope.open(events_pb2.NotificationDelivered)
    return ConversionId(event.conversion_id), Notified()


def _cancellation_confirmed(envelope: Envelope) -> News:
    event = envelope.open(events_pb2.CancellationConfirmed)
    return ConversionId(event.conversion_id), CancellationConfirmed()


def _deletion_confirmed(envelope: Envelope) -> News:
    event = envelope.open(events_pb2.DeletionConfirmed)
    if event.party not in PARTIES:
        raise MalformedEvent(f"DeletionConfirmed by party {event.party}")
    return ConversionId(event.conversion_id), DeletionConfirmed(PARTIES[event.party])


def _reason(number: int) -> str:
    known = events_pb2.FailureReason.DESCRIPTOR.values_by_number
    # A converter that is newer than this gateway may know more reasons; it has failed all the same.
    found = known.get(number, known[0])
    return found.name.removeprefix(REASON_PREFIX)


READERS: dict[str, Callable[[Envelope], News]] = {
    "ConversionStarted": _started,
    "ConversionProgressed": _progressed,
    "ConversionSucceeded": _succeeded,
    "ConversionFailed": _failed,
    "NotificationDelivered": _notified,
    "CancellationConfirmed": _cancellation_confirmed,
    "DeletionConfirmed": _deletion_confirmed,
}
