"""Frames, their reservoir and their tag, bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from converter_media import MediaMaker

from converter_service.engine.lame_tag import TagWriter, read_lame_tag
from converter_service.engine.mp3_file import MP3File
from converter_service.engine.mpeg_audio import FrameReader, Layout, MalformedStream
from converter_service.engine.reservoir import Repacker

STEREO = bytes.fromhex("fffb9064")
"""MPEG-1, 128 kbit/s, 44.1 kHz, joint stereo: 417 bytes."""
MONO_22 = bytes.fromhex("fff380c4")
"""MPEG-2, 64 kbit/s, 22.05 kHz, mono: 208 bytes."""


def frame(header: bytes, main_bytes: int, fill: int) -> bytes:
    """Make a frame whose first granule and channel claim all its main data."""
    layout = Layout.of(header)
    side_bits = 8 * layout.side_bytes
    rest, lengths = 8 * main_bytes, 0
    for end in layout.lengths_end:
        length = min(rest, 4095)
        rest -= length
        lengths |= length << side_bits - end
    assert not rest
    body = bytes([fill]) * main_bytes
    room = layout.frame_bytes[header[2] >> 4] - layout.start_bytes
    return header + lengths.to_bytes(layout.side_bytes) + body.ljust(room, b"\0")


def packed(frames: list[bytes]) -> list[bytes]:
    repacker = Repacker(Layout.of(frames[0]))
    made = []
    for each in frames:
        repacker.add(each)
        made += repacker.take()
    return made + repacker.finish()


def main_data(frames: list[bytes]) -> list[bytes]:
    """Collect the main data of each frame as a decoder does: 2.4.2.7 and figure A.7.1."""
    layout, places, found = Layout.of(frames[0]), b"", []
    for each in frames:
        begin = len(places) - layout.points_back(each)
        assert begin >= 0
        places += each[layout.start_bytes :]
        needed = layout.needed_bytes(each)
        assert begin + needed <= len(places)
        found.append(places[begin : begin + needed])
    return found


def slow_crc(content: bytes) -> int:
    """Sum up as the tag's specification shows it: CRC-16, polynomial 0x8005, reflected."""
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def test_the_layouts_are_those_of_the_standards() -> None:
    stereo, mono = Layout.of(STEREO), Layout.of(MONO_22)

    assert (stereo.sample_rate_hz, stereo.channels, stereo.frame_samples) == (44_100, 2, 1152)
    assert (stereo.side_bytes, stereo.reservoir_bytes, stereo.frame_bytes[9]) == (32, 511, 417)
    assert (mono.sample_rate_hz, mono.channels, mono.frame_samples) == (22_050, 1, 576)
    assert (mono.side_bytes, mono.reservoir_bytes, mono.frame_bytes[8]) == (9, 255, 208)


@pytest.mark.parametrize(
    "header",
    ["00000000", "ffe00000", "fffd9064", "fffa9064", "fffb9c64", "fffb", "ffeb9064"],
    ids=["nothing", "reserved", "layer II", "with a checksum", "no rate", "cut", "MPEG 2.5?"],
)
def test_other_headers_are_refused(header: str) -> None:
    with pytest.raises(MalformedStream):
        Layout.of(bytes.fromhex(header))


def test_a_stream_is_cut_into_frames_however_it_comes() -> None:
    frames = [frame(STEREO, 300, 1), frame(STEREO, 20, 2), frame(STEREO, 100, 3)]
    stream, reader = b"".join(frames), FrameReader()

    found = [each for at in range(len(stream)) for each in reader.add(stream[at : at + 1])]
    reader.finish()

    assert found == frames


@pytest.mark.parametrize("cut", [1, 3, 4, 200, 416])
def test_a_stream_that_ends_within_a_frame_is_malformed(cut: int) -> None:
    reader = FrameReader()
    reader.add(frame(STEREO, 1, 1) + frame(STEREO, 1, 1)[:cut])

    with pytest.raises(MalformedStream):
        reader.finish()


@pytest.mark.parametrize("header", ["fffb9464", "fffb90c4", "fffb0064", "54414700"])
def test_a_frame_unlike_the_first_is_malformed(header: str) -> None:
    reader = FrameReader()

    with pytest.raises(MalformedStream):
        reader.add(frame(STEREO, 1, 1) + bytes.fromhex(header))


@pytest.mark.parametrize("header", [STEREO, MONO_22], ids=["MPEG-1", "MPEG-2"])
def test_packing_changes_no_main_data_and_takes_less(header: bytes) -> None:
    sizes = [150, 0, 3, 170, 170, 170, 1, 90, 170, 40, *[0] * 20, 170]
    frames = [frame(header, size, number + 1) for number, size in enumerate(sizes)]

    made = packed(frames)

    assert main_data(made) == main_data(frames)
    assert len(made) == len(frames)
    assert sum(map(len, made)) < sum(map(len, frames))
    assert Layout.of(header).points_back(made[0]) == 0


def test_what_does_not_fit_into_a_frame_of_that_rate_is_refused() -> None:
    claims_more = bytearray(frame(STEREO, 300, 1))
    claims_more[6:8] = b"\xff\xff"
    claims_more[10:20] = b"\xff" * 10
    points_back = bytearray(frame(STEREO, 300, 1))
    points_back[5] |= 0x80

    for each in (claims_more, points_back):
        with pytest.raises(MalformedStream):
            Repacker(Layout.of(STEREO)).add(bytes(each))


def test_the_tag_says_what_the_file_has(tmp_path: Path) -> None:
    frames = [frame(STEREO, 30 + number % 300, number % 250) for number in range(500)]
    samples = 500 * 1152 - 576 - 700
    with (tmp_path / "a.mp3").open("wb") as file:
        mp3 = MP3File(file, quality=4)
        mp3.add(frames[:333])
        mp3.add(frames[333:])
        mp3.finish(samples)

    content, tag = (tmp_path / "a.mp3").read_bytes(), read_lame_tag(tmp_path / "a.mp3")
    assert (tag.frames, tag.delay_samples, tag.padding_samples) == (500, 576, 700)
    assert tag.samples == samples
    reader = FrameReader()
    first, *others = reader.add(content)
    assert main_data(others) == main_data(frames)
    at = 36
    assert first[at : at + 4] == b"Xing"
    assert int.from_bytes(first[at + 12 : at + 16 - 4]) == len(content) or (
        int.from_bytes(first[at + 8 : at + 12]) == 500
    )
    lame = at + 120
    music = b"".join(others)
    assert int.from_bytes(first[lame + 28 : lame + 32]) == len(content)
    assert int.from_bytes(first[lame + 32 : lame + 34]) == slow_crc(music)
    assert int.from_bytes(first[lame + 34 : lame + 36]) == slow_crc(first[: lame + 34])


def test_a_seek_point_is_near_its_frame() -> None:
    frames = [frame(STEREO, 10 if number < 500 else 300, 1) for number in range(1000)]
    writer = TagWriter(Layout.of(STEREO), STEREO, quality=2)
    packed_frames = packed(frames)
    writer.add(packed_frames)

    tag = writer.tag(1000 * 1152 - 576 - 529)

    table, size = tag[36 + 16 : 36 + 116], len(tag) + sum(map(len, packed_frames))
    for percent in range(1, 100):
        index = percent * 10
        position = len(tag) + sum(map(len, packed_frames[:index]))
        eight_frames = 256 * sum(map(len, packed_frames[index - 8 : index])) / size
        assert 256 * position / size - eight_frames - 1 <= table[percent] <= 256 * position / size


@pytest.mark.parametrize("samples", [0, 1152 * 10 - 576 - 528, 1152 * 10])
def test_a_tag_for_other_audio_than_the_frames_is_refused(samples: int) -> None:
    writer = TagWriter(Layout.of(STEREO), STEREO, quality=2)
    writer.add([frame(STEREO, 1, 1)] * 10)

    with pytest.raises(MalformedStream):
        writer.tag(samples)


def test_what_ffmpeg_writes_is_read_alike(media: MediaMaker) -> None:
    mp3 = media.make("tagged.mp3", video=False)

    assert read_lame_tag(mp3).samples == 3 * 44_100


def test_a_file_without_a_tag_is_malformed(tmp_path: Path) -> None:
    for content in (b"", b"ID3", frame(STEREO, 1, 1), b"ID3\x03\0\0\0\0\0\0" + STEREO):
        (tmp_path / "no.mp3").write_bytes(content)
        with pytest.raises(MalformedStream):
            read_lame_tag(tmp_path / "no.mp3")
