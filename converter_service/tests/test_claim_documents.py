"""What claims look like in the store, and that two versions can share them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from converter_fakes import order, source_of, whole_audio

from converter_service.adapters import claim_documents as documents
from converter_service.domain import (
    AudioId,
    Chapter,
    Format,
    Loudness,
    Measured,
    Options,
    Picture,
    Preset,
    StoredAudio,
    Succeeded,
    Tags,
    TagsOrigin,
    TrackChoice,
    Trim,
)

OPTIONS = [
    Options(),
    Options(bitrate_kbps=192),
    Options(preset=Preset.FAST, channels=1, track=TrackChoice(index=2)),
    Options(
        format=Format.FLAC,
        trim=Trim(start_ns=1, end_sample=10**10),
        loudness=Loudness(-23.0),
        tags=Tags(TagsOrigin.NOTHING, (("title", "$x.y"),)),
    ),
]
SUCCEEDED = Succeeded(
    StoredAudio(AudioId("a"), 1, "ab"),
    seconds=1.0,
    sample_rate_hz=44_100,
    channels=2,
    peak_dbfs=-1.0,
    engine="e",
    end_time=datetime(2026, 1, 2, tzinfo=UTC),
    source=replace(
        source_of(whole_audio(1.0), whole_audio(2.0)),
        chapters=(Chapter(0, 10**9, "one"),),
        tags=(("title", "t"),),
        cover=Picture("image/png", 7),
        chosen=1,
    ),
    loudness=Measured(-20.0, 3.0, -2.0, 1.0),
    is_copy=True,
)


def stored(document: dict[str, Any]) -> dict[str, Any]:
    """Write it to BSON and read it back."""
    options: bson.CodecOptions[dict[str, Any]] = bson.CodecOptions(tz_aware=True)
    return bson.decode(bson.encode(document), options)


@pytest.mark.parametrize("options", OPTIONS)
def test_an_order_survives_its_document(options: Options) -> None:
    ordered = order(options=options)

    found = documents.order_of(stored(documents.order_document(ordered)))

    assert found == ordered


def test_a_bit_rate_alone_is_written_as_version_0_1_reads_it() -> None:
    document = documents.order_document(order(options=Options(bitrate_kbps=192)))

    assert document["bitrate_kbps"] == 192
    assert "options" not in document


def test_more_than_a_bit_rate_is_none_to_version_0_1() -> None:
    document = documents.order_document(order(options=Options(preset=Preset.BEST)))

    assert document["bitrate_kbps"] == -1


def test_an_outcome_survives_its_document_with_its_source() -> None:
    document = stored(documents.outcome_document(SUCCEEDED))

    assert documents.outcome_of(document) == SUCCEEDED
    assert set(document) == {"state", "outcome", "lease_until"}
    # Version 0.1 makes an outcome of all that is in there.
    assert set(document["outcome"]) == {
        "stored", "seconds", "sample_rate_hz", "channels", "peak_dbfs", "engine", "end_time",
    }  # fmt: skip


def test_an_outcome_of_version_0_1_has_no_source() -> None:
    document = stored(documents.outcome_document(SUCCEEDED))
    del document["outcome"]["stored"]["about"]

    bare = replace(SUCCEEDED, source=None, loudness=None, is_copy=False)
    assert documents.outcome_of(document) == bare
