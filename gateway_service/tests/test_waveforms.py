"""What an MP3 looks like: from the store to its owner, and to nobody else."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import asdict, replace

import pytest
from gateway_fakes import ADA, AUDIO, EVE
from gateway_world import World, ids_of
from pymongo.asynchronous.database import AsyncDatabase

from gateway_service import wire
from gateway_service.adapters.gridfs_audio import GridFSAudioStore
from gateway_service.domain import (
    AudioExpired,
    AudioId,
    AudioNotReady,
    Conversion,
    Succeeded,
    UnknownConversion,
    UnknownWaveform,
    Waveform,
)
from gateway_service.ports import MissingAudio
from tonearm_chassis.mongo import Document
from tonearm_chassis.testing.clock import START

WAVEFORM = Waveform(
    sample_rate_hz=44_100,
    samples_per_pixel=512,
    peaks=bytes((0x80, 0x7F, 0, 0, 0xFF, 0x01)),
    peak_dbfs=-0.0004,
    rms_dbfs=-12.34567,
    clipped_share=0.25,
)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def converted(world: World) -> Conversion:
    """Give a conversion of Ada's whose MP3 has a waveform."""
    world.audio.waveforms[AUDIO.id] = WAVEFORM
    return await world.told(await world.uploaded(), Succeeded(1, AUDIO, START))


async def test_the_owner_gets_the_waveform(world: World, converted: Conversion) -> None:
    assert await world.waveform(*ids_of(converted)) == WAVEFORM


async def test_nobody_else_learns_that_there_is_one(world: World, converted: Conversion) -> None:
    with pytest.raises(UnknownConversion):
        await world.waveform(EVE.account_id, converted.id)


async def test_before_the_audio_there_is_no_waveform(world: World) -> None:
    queued = await world.uploaded()

    with pytest.raises(AudioNotReady):
        await world.waveform(*ids_of(queued))


async def test_an_mp3_of_an_older_converter_has_none(world: World, converted: Conversion) -> None:
    del world.audio.waveforms[AUDIO.id]

    with pytest.raises(UnknownWaveform):
        await world.waveform(*ids_of(converted))


async def test_it_expires_with_the_audio(world: World, converted: Conversion) -> None:
    await world.swept(days=31)

    with pytest.raises(AudioExpired):
        await world.waveform(*ids_of(converted))
    assert world.audio.waveforms == {}


async def test_it_goes_when_the_conversion_is_deleted(world: World, converted: Conversion) -> None:
    await world.delete(*ids_of(converted))

    with pytest.raises(UnknownConversion):
        await world.waveform(ADA.account_id, converted.id)


async def test_audio_that_vanished_without_a_reason_is_our_fault(
    world: World, converted: Conversion
) -> None:
    world.audio.audio.clear()

    with pytest.raises(MissingAudio):
        await world.waveform(*ids_of(converted))


async def test_a_waveform_is_read_out_of_the_files_document(
    mongodb: AsyncDatabase[Document],
) -> None:
    await mongodb["fs.files"].insert_one(
        {"_id": "new", "metadata": {"fence": 1, "waveform": asdict(WAVEFORM)}}
    )
    await mongodb["fs.files"].insert_one({"_id": "old", "metadata": {"fence": 1}})
    await mongodb["fs.files"].insert_one({"_id": "oldest"})
    store = GridFSAudioStore(mongodb)

    found = [await store.waveform(AudioId(each)) for each in ("new", "old", "oldest")]

    assert found == [WAVEFORM, None, None]
    with pytest.raises(MissingAudio):
        await store.waveform(AudioId("none"))


async def test_the_waveform_is_deleted_with_the_file(mongodb: AsyncDatabase[Document]) -> None:
    await mongodb["fs.files"].insert_one(
        {"_id": AUDIO.id, "metadata": {"waveform": asdict(WAVEFORM)}}
    )
    store = GridFSAudioStore(mongodb)

    await store.delete(AUDIO.id)

    with pytest.raises(MissingAudio):
        await store.waveform(AUDIO.id)


def test_the_json_is_what_players_read() -> None:
    assert json.loads(wire.waveform_json(WAVEFORM)) == {
        "version": 2,
        "channels": 1,
        "sample_rate": 44_100,
        "samples_per_pixel": 512,
        "bits": 8,
        "length": 3,
        "data": [-128, 127, 0, 0, -1, 1],
        "peak_dbfs": 0.0,
        "rms_dbfs": -12.35,
        "clipped_share": 0.25,
    }


def decoded(png: bytes) -> list[bytes]:
    """Read the rows of a PNG of one byte a pixel, and check all its checksums."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, start = {}, 8
    while start < len(png):
        length, kind = struct.unpack_from(">I4s", png, start)
        content = png[start + 8 : start + 8 + length]
        assert struct.unpack_from(">I", png, start + 8 + length)[0] == zlib.crc32(kind + content)
        chunks[kind] = content
        start += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"]
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    rows = zlib.decompress(chunks[b"IDAT"])
    assert len(rows) == height * (width + 1)
    lines = [rows[row * (width + 1) :][: width + 1] for row in range(height)]
    assert all(line[0] == 0 for line in lines)
    return [line[1:] for line in lines]


def test_the_png_has_a_column_for_each_pixel_from_lowest_to_highest() -> None:
    rows = decoded(wire.waveform_png(WAVEFORM))

    columns = [bytes(row[x] for row in rows) for x in range(3)]
    assert len(rows) == 128
    assert columns[0] == b"\1" * 128
    assert columns[1] == bytes(63) + b"\1" + bytes(64)
    assert columns[2] == bytes(63) + b"\1\1" + bytes(63)


def test_a_picture_of_nothing_is_a_picture() -> None:
    assert len(decoded(wire.waveform_png(replace(WAVEFORM, peaks=b"")))) == 128


def test_the_largest_waveform_is_small() -> None:
    noisy = replace(WAVEFORM, peaks=bytes(range(256)) * 16)

    assert len(wire.waveform_json(noisy)) < 25_000
    assert len(wire.waveform_png(noisy)) < 25_000
