"""What makes one request the same as another."""

from __future__ import annotations

import hashlib
import json

from gateway_service.domain.conversions import ConversionId
from gateway_service.domain.options import Options
from gateway_service.domain.videos import Video


def upload_fingerprint(video: Video, options: Options) -> str:
    """Tell one upload from another; the same as in version 0.1 where there was nothing else."""
    wish = options.bitrate_kbps if options.is_bit_rate_alone else options.canonical()
    return _digest("upload", video.sha256, video.filename, wish)


def retry_fingerprint(conversion_id: ConversionId) -> str:
    """Tell one retry from another, and from an upload."""
    return _digest("retry", conversion_id)


def _digest(*parts: str | int) -> str:
    # Not the parts themselves: the digest outlives the conversion, and names nobody.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
