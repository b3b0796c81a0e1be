"""What the gateway measures."""

from __future__ import annotations

from prometheus_client import Counter

UPLOADED_BYTES = Counter(
    "tonearm_gateway_uploaded_bytes_total", "Bytes of videos that were written to the store."
)
DOWNLOADED_BYTES = Counter(
    "tonearm_gateway_downloaded_bytes_total", "Bytes of audio that were read from the store."
)
SWEPT = Counter("tonearm_gateway_swept_total", "Things that nobody needed any more.", ["what"])
CONVERSIONS = Counter(
    "tonearm_gateway_conversions_total", "Conversions by the state they reached.", ["state"]
)
