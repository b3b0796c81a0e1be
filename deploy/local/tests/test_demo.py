"""A demonstration that fails leaves nothing running."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from stand_ins import recipe

from tonearm_local import leftovers
from tonearm_local.demo import demonstrate
from tonearm_local.stack import Stack


def test_a_failure_stops_everything_and_drops_the_data(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "demo", recipe=recipe(edge="good"))
    video = tmp_path / "video.mp4"
    video.write_bytes(b"not played")

    # The stand-in answers "hello", which is no HTTP.
    with pytest.raises(httpx.HTTPError):
        demonstrate(stack, video, Console(file=io.StringIO()))

    assert leftovers.find(stack.directory.root) == []
    assert not (stack.directory.root / "run").exists()
