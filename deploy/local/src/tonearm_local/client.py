"""Upload, watch and download over REST, as the demonstration does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tonearm_local.account import checked

FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
PIECE_BYTES = 256 * 1024


def upload(client: httpx.Client, video: Path) -> str:
    """Stream a video from its file and return the id of its conversion; raises `Refused`."""
    # A known length instead of chunks: without it the gateway takes no upload.
    headers = {"content-length": str(video.stat().st_size), "content-type": "video/mp4"}
    answer = client.post(
        "/v1/conversions",
        params={"filename": video.name},
        content=_content(video),
        headers=headers,
        timeout=httpx.Timeout(60.0),
    )
    return str(checked(answer).json()["conversion"]["id"])


def watch(client: httpx.Client, conversion_id: str) -> Iterator[dict[str, Any]]:
    """Follow a conversion state by state, up to its final one; raises `Refused`."""
    path = f"/v1/conversions/{conversion_id}:watch"
    with client.stream("GET", path, timeout=httpx.Timeout(None, connect=10.0)) as answer:
        for line in checked(answer).iter_lines():
            if line.strip():
                yield json.loads(line)["conversion"]


def download(client: httpx.Client, conversion_id: str, file: Path) -> None:
    """Store the MP3 of a conversion in a file; raises `Refused`."""
    with (
        client.stream("GET", f"/v1/conversions/{conversion_id}/audio") as answer,
        file.open("wb") as output,
    ):
        for piece in checked(answer).iter_bytes(PIECE_BYTES):
            output.write(piece)


def _content(video: Path) -> Iterator[bytes]:
    with video.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
