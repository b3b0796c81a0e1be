"""A corpus of hostile files, the same from the same seed; each family by what it tries."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from converter_containers import (
    block,
    box,
    box_borders,
    chunk_borders,
    element,
    id3,
    id3_frame,
    matroska,
    number,
    pcm_track,
    wav,
    with_box,
)
from converter_forgeries import flac_of_silence, with_sample_ticks

MIB = 1024**2
SEED = 20_260_101
Family = Mapping[str, bytes]
SECOND = bytes(16_000)


@dataclass(frozen=True, slots=True)
class Seeds:
    """Valid files that others are made from, and what must never be reached."""

    mp4: bytes
    mkv: bytes
    avi: bytes
    wav: bytes
    flac: bytes
    mp3: bytes
    ogg: bytes
    two_tracks_avi: bytes
    edited_m4a: bytes
    canary: Path
    address: str


def playlists(seeds: Seeds) -> Family:
    """Name the canary, or the listener, in everything that names other files."""
    targets = {"file": f"file://{seeds.canary}", "path": str(seeds.canary),
               "http": f"http://{seeds.address}/canary.ts"}  # fmt: skip
    made: dict[str, bytes] = {}
    for kind, url in targets.items():
        for name, template in PLAYLISTS.items():
            made[f"{name} to {kind}"] = template.replace("URL", url).encode()
    made["SDP"] = (
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=audio {seeds.address.split(':')[1]} RTP/AVP 0\n"
    ).encode()
    return made


PLAYLISTS = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nURL\n#EXT-X-ENDLIST\n",
    "HLS in HLS": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nURL\n",
    "HLS key": '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI="URL"\n'
    "#EXTINF:9,\nvideo\n#EXT-X-ENDLIST\n",
    "HLS map": '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-MAP:URI="URL"\n#EXTINF:9,\nvideo\n',
    "concat": "ffconcat version 1.0\nfile 'URL'\n",
    "DASH": '<?xml version="1.0"?><MPD type="static" mediaPresentationDuration="PT9S"'
    ' profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet'
    ' mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>URL</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "ASX": '<asx version="3.0"><entry><ref href="URL"/></entry></asx>',
    "PLS": "[playlist]\nNumberOfEntries=1\nFile1=URL\n",
    "ASF reference": "[Reference]\nRef1=URL\n",
    "SMIL": '<smil><body><audio src="URL"/></body></smil>',
}  # fmt: skip


def references(seeds: Seeds) -> Family:
    """Point out of a file from within: data references, hidden playlists, links in tags."""
    path, url = str(seeds.canary).encode(), f"http://{seeds.address}/".encode()
    playlist = PLAYLISTS["HLS"].replace("URL", f"file://{seeds.canary}").encode()
    full = struct.pack(">II", 0, 1)
    entries = {
        "dref url": box(b"url ", bytes(4), path + b"\0"),
        "dref http": box(b"url ", bytes(4), url + b"\0"),
        "dref urn": box(b"urn ", bytes(4), b"file\0" + path + b"\0"),
        "dref alias": box(b"alis", bytes(4), _alias(path)),
    }
    made = {
        name: with_box(seeds.edited_m4a, b"dref", full + entry) for name, entry in entries.items()
    }
    made["rmra"] = box(b"moov", box(b"rmra", box(b"rmda", box(b"rdrf", bytes(4), b"url ",
                       struct.pack(">I", len(path)), path))))  # fmt: skip
    made["playlist as AVI subtitles"] = _gab2(seeds.two_tracks_avi, playlist)
    made["playlist in mdat"] = box(b"ftyp", b"isom", bytes(4)) + box(b"mdat", playlist)
    made["playlist after ID3"] = id3(id3_frame(b"TIT2", b"\0x")) + playlist
    made["linked cover"] = id3(id3_frame(b"APIC", b"\0-->\0\3\0file://" + path)) + seeds.mp3
    return made


def _alias(path: bytes) -> bytes:
    """Write an alias record with an absolute path (type 18), as QuickTime has them."""
    head = bytes(6) + struct.pack(">HH", 150, 2) + bytes(140)
    return head + struct.pack(">HH", 18, len(path)) + path + struct.pack(">HH", 0xFFFF, 0)


def _gab2(avi: bytes, playlist: bytes) -> bytes:
    """Turn the second track into subtitles that are a playlist, as in 2017."""
    made = bytearray(avi.replace(b"01wb", b"01tx"))
    second = made.index(b"strh", made.index(b"strh") + 4) + 8
    made[second : second + 4] = b"txts"
    start = made.index(b"01tx", made.index(b"movi")) + 8
    payload = b"GAB2\0\2\0" + struct.pack("<I", 2) + b"x\0" + struct.pack("<HI", 4, len(playlist))
    payload += playlist
    made[start : start + len(payload)] = payload
    return bytes(made)


def texts(seeds: Seeds) -> Family:
    """Write what a careless program would take for an address, or for subtitles."""
    canary = seeds.canary
    lines = {
        "concat protocol": f"concat:{canary}|{canary}",
        "subfile": f"subfile,,start,0,end,100,,:{canary}",
        "file protocol": f"file:{canary}",
        "data": "data:audio/wav;base64,UklGRg==",
        "pipe": "pipe:0",
        "crypto": f"crypto:{canary}",
        "tee": f"tee:{canary}",
        "http": f"http://{seeds.address}/",
        "rtsp": f"rtsp://{seeds.address}/",
        "tcp": f"tcp://{seeds.address}",
        "sequence": f"{canary.parent}/%d.wav",
        "filter graph": f"amovie={canary}",
        "ffmetadata": f";FFMETADATA1\ntitle=file:{canary}\n",
        "SubRip": f"1\n00:00:00,000 --> 00:00:09,000\nfile:{canary}\n",
        "WebVTT": f"WEBVTT\n\n00:00.000 --> 00:09.000\nfile:{canary}\n",
        "ASS": "[Script Info]\nScriptType: v4.00+\n[Events]\n"
        f"Dialogue: 0,0:00:00.00,0:00:09.00,{canary}\n",
        "SVG": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{canary}"/></svg>',
        "shell": f"$(cat {canary}); `cat {canary}` | cat {canary}",
    }
    return {name: line.encode() for name, line in lines.items()}


def cuts(seeds: Seeds) -> Family:
    """End a file at each border of its structure, and in the middle of it."""
    borders = {
        "mp4": list(box_borders(seeds.mp4)),
        "wav": list(chunk_borders(seeds.wav)),
        "avi": list(chunk_borders(seeds.avi)),
        "mkv": _found(seeds.mkv, b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75"),
        "flac": [4, 8, 42],
    }
    for kind in ("mp4", "mkv", "avi", "wav", "flac", "mp3"):
        length = len(getattr(seeds, kind))
        borders.setdefault(kind, []).extend((length // 2, length * 9 // 10, length - 1))
    return {
        f"{kind} at {border}": getattr(seeds, kind)[:border]
        for kind, found in borders.items()
        for border in found
        if border
    }


def _found(content: bytes, *needles: bytes) -> list[int]:
    return [content.index(needle) for needle in needles]


def flips(seeds: Seeds) -> Family:
    """Change some bytes, more of them where the structure is."""
    made: dict[str, bytes] = {}
    for kind in ("mp4", "mkv", "avi", "flac", "ogg", "mp3"):
        for attempt in range(3):
            chance = random.Random(f"{SEED} {kind} {attempt}")  # noqa: S311 - no secret
            content = bytearray(getattr(seeds, kind))
            for _ in range(2 ** (2 * attempt + 1)):
                place = min(chance.randrange(len(content)), chance.randrange(len(content)))
                content[place] ^= 1 << chance.randrange(8)
            made[f"{kind} {attempt}"] = bytes(content)
    return made


def bombs(seeds: Seeds) -> Family:
    """Unpack to far more than there is."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("video.mp4", bytes(32 * MIB))
    packed = zlib.compress(bytes(64 * MIB))
    compression = element(0x6D80, element(0x6240, element(0x5034, number(0x4254, 0))))
    return {
        "zip": archive.getvalue(),
        "gzip": gzip.compress(bytes(32 * MIB)),
        "gzip of a video": gzip.compress(seeds.mp4),
        "Matroska with packed blocks": matroska(
            [pcm_track(1, compression)], [block(1, packed)] * 4
        ),
        "eleven hours of FLAC": flac_of_silence(11 * 3600),
        "moov packed": box(b"ftyp", b"qt  ", bytes(4)) + box(b"moov", box(
            b"cmov", box(b"dcom", b"zlib"),
            box(b"cmvd", struct.pack(">I", 2**31 - 1), packed))),
    }  # fmt: skip


def numbers(seeds: Seeds) -> Family:
    """Say what cannot be: rates, channels, counts and offsets."""
    made = {
        f"WAV of {rate} Hz, {channels} channels, {bits} bits": wav(rate, channels, bits, SECOND)
        for rate, channels, bits in (
            (0, 1, 16), (1, 1, 16), (2**32 - 1, 2, 16), (384_000, 2, 32), (44_100, 0, 16),
            (44_100, 255, 16), (44_100, 65_535, 8), (44_100, 2, 0), (44_100, 2, 65_535),
        )
    }  # fmt: skip
    made["WAV without alignment"] = wav(8000, 1, 16, SECOND, align=0)
    most = struct.pack(">I", 2**31 - 1)
    for name in (b"stsz", b"stco", b"stsc", b"stts", b"ctts", b"dref", b"elst", b"stsd"):
        made[f"MP4 with 2^31 entries in {name.decode()}"] = with_box(
            seeds.mp4, name, bytes(4) + (most if name != b"stsz" else bytes(4) + most) + bytes(64)
        )
    made["MP4 with offsets beyond its end"] = with_box(
        seeds.edited_m4a, b"stco", struct.pack(">III", 0, 1, 2**32 - 16)
    )
    made["MP4 whose first packet outlasts its edit list"] = with_sample_ticks(
        seeds.edited_m4a, 44_100 * 1200
    )
    made["MP4 whose box is larger than 64 bits"] = struct.pack(">I4sQ", 1, b"moov", 2**64 - 1)
    made["Matroska of a million hours"] = seeds.mkv.replace(b"00:00:0", b"99:59:0")
    return made


def crowds(seeds: Seeds) -> Family:
    """Have far too many of something, or none at all."""
    trak = _first_box(seeds.mp4, b"trak")
    moov = _first_box(seeds.mp4, b"moov")
    many = box(b"moov", moov[8:], trak * 10_000)
    deep = b""
    for _ in range(10_000):
        deep = box(b"moov", deep)
    nested = b""
    for _ in range(2_000):
        nested = element(0x18538067, nested)
    return {
        "MP4 of 10,000 tracks": box(b"ftyp", b"isom", bytes(4)) + many,
        "Matroska of 10,000 tracks": matroska([pcm_track(n + 1) for n in range(10_000)], []),
        "boxes in boxes": box(b"ftyp", b"isom", bytes(4)) + deep,
        "a million boxes": box(b"ftyp", b"isom", bytes(4)) + box(b"free") * 1_000_000,
        "elements in elements": matroska([], [])[:40] + nested,
        "Matroska of empty blocks": matroska([pcm_track(1)], [block(1, b"")] * 20_000),
        "ADTS of empty frames": bytes.fromhex("fff15c4000fffc") * 20_000,
        "ADTS frames of no length": bytes.fromhex("fff15c40001ffc") * 20_000,
        "MP4 of empty samples": with_box(seeds.mp4, b"stsz", bytes(8) + struct.pack(">I", 130)
                                         + bytes(520)),
        "Ogg pages without packets": b"OggS\0\2" + bytes(8) + b"\1\0\0\0" + bytes(8) + b"\0"
                                     + (b"OggS\0\0" + bytes(8) + b"\1\0\0\0" + bytes(9)) * 20_000,
    }  # fmt: skip


def _first_box(video: bytes, name: bytes) -> bytes:
    start = video.index(name) - 4
    return video[start : start + int.from_bytes(video[start : start + 4])]


def guises(seeds: Seeds) -> Family:
    """Be two things at once, or carry far too much along."""
    picture = b"\0image/png\0\3\0" + bytes(8 * MIB)
    archive = io.BytesIO(seeds.mp3)
    with zipfile.ZipFile(archive, "a") as made:
        made.writestr("evil.txt", "x")
    pdf = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    return {
        "MP3 with a cover of 8 MiB": id3(id3_frame(b"APIC", picture)) + seeds.mp3,
        "MP3 with 20,000 tags": id3(*[id3_frame(b"TXXX", b"\0a\0b")] * 20_000) + seeds.mp3,
        "MP3 with a tag that lies": b"ID3\x03\x00\x00\x7f\x7f\x7f\x7f" + seeds.mp3,
        "FLAC with a picture of 8 MiB": seeds.flac[:4] + bytes([6]) + (8 * MIB).to_bytes(3)
        + bytes(8 * MIB) + seeds.flac[4:],
        "MP4 with 8 MiB of user data": seeds.mp4 + box(b"udta", bytes(8 * MIB)),
        "MP3 that is a zip": archive.getvalue(),
        "PDF that is an MP3": pdf + seeds.mp3,
        "HTML that is an MP3": b"<html><script>alert(1)</script></html>" + seeds.mp3,
        "playlist that is an MP4": b"#EXTM3U\n" + seeds.mp4,
        "program": b"\x7fELF" + bytes(4096),
        "script": b"#!/bin/sh\ntouch /tmp/owned\n",
        "JSON": json.dumps({"format": "lavfi", "input": "anullsrc"}).encode(),
    }  # fmt: skip


def blanks(_: Seeds) -> Family:
    """Say nothing, at length."""
    noise = random.Random(SEED).randbytes(MIB)  # noqa: S311 - no secret
    return {
        "nothing": b"", "a byte": b"\0", "zeros": bytes(32 * MIB), "ones": b"\xff" * (4 * MIB),
        "noise": noise, "line ends": b"\r\n" * MIB, "sync words": b"\xff\xfb\x90\x64" * 100_000,
        "magic of MP4": b"\0\0\0\x18ftypmp42", "magic of Matroska": b"\x1a\x45\xdf\xa3",
        "magic of Ogg": b"OggS", "magic of TS": b"G" + bytes(187), "packets of TS": (
            b"G\x1f\xff\x10" + bytes(184)) * 10_000,
    }  # fmt: skip


FAMILIES: Mapping[str, Callable[[Seeds], Family]] = {
    each.__name__: each
    for each in (playlists, references, texts, cuts, flips, bombs, numbers, crowds, guises, blanks)
}
