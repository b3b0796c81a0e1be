"""The containers that are opened at all; none of them can name another file."""

from __future__ import annotations

# No playlists and manifests (hls, dash, concat, sdp, rtsp): they make ffmpeg open what they name.
DEMUXERS = (
    "mov",
    "matroska",
    "avi",
    "mpegts",
    "mpeg",
    "flv",
    "ogg",
    "asf",
    "mp3",
    "aac",
    "wav",
    "flac",
    "aiff",
    "ac3",
    "amr",
    "caf",
    "w64",
    "mxf",
    "dv",
    "rm",
    "wtv",
)
