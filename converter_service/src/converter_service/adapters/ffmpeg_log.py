"""Read what ffmpeg says at the end of its verbose log."""

from __future__ import annotations

import re
from collections.abc import Iterable

from converter_service.domain import SILENCE_DBFS, EncodeReport, Measured

INPUT_COUNT = re.compile(r"\(audio\): \d+ packets read .*frames decoded.*\((\d+) samples\)")
OUTPUT_COUNT = re.compile(r"\(audio\): \d+ frames encoded \((\d+) samples\)")
DECODED_RATE = re.compile(r"samplefmt:\w+ samplerate:(\d+)")
COPIED = re.compile(r"^engine: copied (\d+) samples at (\d+) Hz$", re.MULTILINE)
LOUDNESS = re.compile(
    r"Integrated loudness:\s+I:\s+(-?[\d.]+) LUFS.*?LRA:\s+(-?[\d.]+) LU.*?"
    r"Peak:\s+(-?(?:[\d.]+|inf))",
    re.DOTALL,
)
# Its own words begin at the margin or with a bracket; what it quotes of a file is indented.
DISK_FULL = re.compile(r"^\S.*: (No space left on device|Disk quota exceeded)$")

TOO_LARGE = re.compile(r"^\S.*: File too large$")


def read_report(errors: Iterable[str]) -> EncodeReport | None:
    """Find the final counts in the verbose log; None if it ended before them."""
    text = "\n".join(errors)
    decoded, encoded = INPUT_COUNT.findall(text), OUTPUT_COUNT.findall(text)
    if not decoded or not encoded:
        return None
    rates = {int(rate) for rate in DECODED_RATE.findall(text)}
    return EncodeReport(
        decoded_samples=max(map(int, decoded)),
        decoded_rate_hz=rates.pop() if len(rates) == 1 else None,
        encoded_samples=max(map(int, encoded)),
    )


def read_copy_report(errors: Iterable[str]) -> EncodeReport | None:
    """Find what `engine.copy` says at its end; None if it copied nothing."""
    found = COPIED.findall("\n".join(errors))
    if not found:
        return None
    samples, rate = map(int, found[-1])
    return EncodeReport(samples, rate, samples, is_copy=True)


def read_loudness(errors: Iterable[str]) -> Measured | None:
    """Find the summary of the loudness meter; None if it did not come to that."""
    found = LOUDNESS.findall("\n".join(errors))
    if not found:
        return None
    integrated, extent, peak = map(float, found[-1])
    return Measured(integrated, extent, max(peak, SILENCE_DBFS))


def found_disk_full(errors: Iterable[str]) -> bool:
    """Tell whether ffmpeg says that it could not write, whatever its exit status."""
    return any(DISK_FULL.search(line) for line in errors)


def found_too_large(errors: Iterable[str]) -> bool:
    """Tell whether ffmpeg says that the limit on its file stopped it."""
    return any(TOO_LARGE.search(line) for line in errors)
