"""What a conversion's options look like in the store, and that two versions can share them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bson
import pytest
from gateway_fakes import new_conversion

from gateway_service import wire
from gateway_service.adapters.conversion_documents import from_document, to_document
from gateway_service.domain import (
    Chapters,
    Conversion,
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
from tonearm.events.v1 import events_pb2
from tonearm_chassis.testing.clock import START

OPTIONS = [
    Options(),
    Options(bitrate_kbps=192),
    Options(preset=Preset.FAST, channels=1, sample_rate_hz=8_000, track=TrackChoice(index=2)),
    Options(
        format=Format.FLAC,
        trim=Trim(start_ns=1, end_sample=10**10),
        loudness=Loudness(-23.0),
        tags=Tags(TagsOrigin.NOTHING, (("title", "$x.y"),)),
        cover=Cover.NONE,
        chapters=Chapters.DROP,
    ),
    Options(vbr_quality=7, copying=Copying.NEVER, track=TrackChoice(language="deu")),
]


def stored(conversion: Conversion) -> dict[str, Any]:
    """Write it to BSON and read it back."""
    options: bson.CodecOptions[dict[str, Any]] = bson.CodecOptions(tz_aware=True)
    return bson.decode(bson.encode(to_document(conversion)), options)


@pytest.mark.parametrize("options", OPTIONS)
def test_options_survive_the_document(options: Options) -> None:
    conversion = replace(new_conversion(), options=options, source=b"\x0a\x03mov")

    assert from_document(stored(conversion)) == conversion


def test_a_document_of_version_0_1_has_a_bit_rate_alone() -> None:
    document = stored(new_conversion())
    del document["options"], document["source"]

    assert from_document(document).options == Options(bitrate_kbps=192)
    assert from_document(document).source is None


def test_options_that_came_later_are_as_usual() -> None:
    document = stored(replace(new_conversion(), options=Options(preset=Preset.BEST)))
    del document["options"]["copying"]

    assert from_document(document).options == Options(preset=Preset.BEST)


def test_a_reminder_of_version_0_1_asks_for_nothing_else() -> None:
    document = stored(replace(new_conversion(), options=Options(preset=Preset.BEST)))
    del document["options"]  # which that version does not read

    _, envelope = wire.promise(from_document(document), *_outcome())

    assert envelope.open(events_pb2.ConversionRequested).bitrate_kbps == -1


def _outcome() -> tuple[Any, Any]:
    (awaited,) = new_conversion().awaited
    return awaited, START
