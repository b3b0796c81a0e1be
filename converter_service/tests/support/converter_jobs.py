"""Whole conversions with the real engine, and what came of them."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

from converter_fakes import DEFAULT, InMemoryAudioStore

from converter_service.domain import Failed, FailureReason, Options, Outcome, Succeeded


class Convert(Protocol):
    """Converts a file."""

    def __call__(self, path: Path, options: Options = DEFAULT) -> Awaitable[Outcome]: ...


def made_file(audio: InMemoryAudioStore, tmp_path: Path) -> Path:
    """Write the one file that was stored to where ffmpeg can read it."""
    (content,) = audio.files.values()
    target = tmp_path / "made.mp3"
    target.write_bytes(content)
    return target


async def succeeds(converting: Awaitable[Outcome]) -> Succeeded:
    """Wait for the audio."""
    outcome = await converting
    assert isinstance(outcome, Succeeded), outcome
    return outcome


async def fails(converting: Awaitable[Outcome]) -> FailureReason:
    """Wait for the reason why there is none."""
    outcome = await converting
    assert isinstance(outcome, Failed), outcome
    assert outcome.message.endswith(".")
    return outcome.reason
