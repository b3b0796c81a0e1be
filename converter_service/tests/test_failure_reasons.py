"""Why conversions fail, in the event and in the store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from converter_service.adapters.claim_documents import outcome_document, outcome_of
from converter_service.domain import Failed, FailureReason
from converter_service.wire.events import REASONS
from tonearm.events.v1 import events_pb2

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("reason", FailureReason)
def test_every_reason_has_the_number_of_its_name(reason: FailureReason) -> None:
    number = REASONS[reason]

    assert events_pb2.FailureReason.Name(number) == f"FAILURE_REASON_{reason}"


@pytest.mark.parametrize("reason", FailureReason)
def test_a_reason_is_read_as_it_was_written(reason: FailureReason) -> None:
    failed = Failed(reason, "Why.", NOW)

    assert outcome_of(outcome_document(failed)) == failed


def test_a_newer_workers_reason_is_repeated_with_its_sentence() -> None:
    document = outcome_document(Failed(FailureReason.NO_AUDIO, "Too blue.", NOW))
    document["outcome"]["reason"] = "TOO_BLUE"

    assert outcome_of(document) == Failed(FailureReason.ENGINE_FAILED, "Too blue.", NOW)
