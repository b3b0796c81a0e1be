"""What makes one request the same as another."""

from __future__ import annotations

import hashlib
import json

from gateway_service.domain.conversions import ConversionId
from gateway_service.domain.videos import Video


def upload_fingerprint(video: Video, bitrate_kbps: int) -> str:
    """Tell one upload from another."""
    return _digest("upload", video.sha256, video.filename, bitrate_kbps)


def retry_fingerprint(conversion_id: ConversionId) -> str:
    """Tell one retry from another, and from an upload."""
    return _digest("retry", conversion_id)


def _digest(*parts: str | int) -> str:
    # Not the parts themselves: the digest outlives the conversion, and names nobody.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
