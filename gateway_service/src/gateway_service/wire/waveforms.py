"""Write waveforms: as the JSON that players read, or as a picture."""

from __future__ import annotations

import json
import struct
import zlib

from gateway_service.domain import Waveform

PNG_HEIGHT = 128
MIDDLE = PNG_HEIGHT // 2
# Two colours: nothing, and the page's green.
PALETTE = bytes((255, 255, 255, 23, 96, 79))
TRANSPARENCY = bytes((0, 255))
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LEVEL_DIGITS, SHARE_DIGITS = 2, 9


def waveform_json(waveform: Waveform) -> bytes:
    """Write the JSON of audiowaveform, version 2, which peaks.js and wavesurfer.js read.

    Levels are added to it. The format is in that program's doc/DataFormat.md.
    """
    values = waveform.values
    return json.dumps(
        {
            "version": 2,
            "channels": 1,
            "sample_rate": waveform.sample_rate_hz,
            "samples_per_pixel": waveform.samples_per_pixel,
            "bits": 8,
            "length": len(values) // 2,
            "data": values,
            "peak_dbfs": round(waveform.peak_dbfs, LEVEL_DIGITS),
            "rms_dbfs": round(waveform.rms_dbfs, LEVEL_DIGITS),
            "clipped_share": round(waveform.clipped_share, SHARE_DIGITS),
        },
        separators=(",", ":"),
    ).encode()


def waveform_png(waveform: Waveform) -> bytes:
    """Draw it on nothing, a column a pixel (PNG, ISO/IEC 15948)."""
    values = waveform.values
    columns = [_column(low, high) for low, high in zip(values[::2], values[1::2], strict=True)]
    # Columns laid end to end; every PNG_HEIGHT-th byte makes a row.
    drawn = b"".join(columns) or bytes(PNG_HEIGHT)
    rows = b"".join(b"\0" + drawn[row::PNG_HEIGHT] for row in range(PNG_HEIGHT))
    header = struct.pack(">IIBBBBB", len(drawn) // PNG_HEIGHT, PNG_HEIGHT, 8, 3, 0, 0, 0)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", PALETTE),
            _chunk(b"tRNS", TRANSPARENCY),
            _chunk(b"IDAT", zlib.compress(rows)),
            _chunk(b"IEND", b""),
        )
    )


def _column(low: int, high: int) -> bytes:
    """Draw from the highest to the lowest sample, and through the middle at least."""
    top = min(MIDDLE - 1, MIDDLE - 1 - high // 2)
    bottom = max(MIDDLE, MIDDLE - low // 2)
    return bytes(top) + b"\1" * (bottom - top) + bytes(PNG_HEIGHT - bottom)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
