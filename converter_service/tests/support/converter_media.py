"""Media made by ffmpeg in the test."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS = 3


@dataclass(frozen=True, slots=True)
class MediaMaker:
    """Makes each file once."""

    ffmpeg: str
    directory: Path

    def make(
        self,
        name: str,
        *encoding: str,
        audio: str = "sine=440",
        seconds: float = SECONDS,
        rate: int = 44_100,
        video: bool = True,
    ) -> Path:
        """Make a file of a tone and, unless told otherwise, a moving picture."""
        target = self.directory / name
        if target.exists():
            return target
        inputs = ["-f", "lavfi", "-i", f"{audio}:sample_rate={rate}:duration={seconds}"]
        if audio.startswith("anullsrc"):
            inputs = ["-f", "lavfi", "-t", str(seconds), "-i", audio]
        if video:
            picture = f"testsrc=size=64x48:rate=10:duration={SECONDS}"
            inputs += ["-f", "lavfi", "-i", picture]
        self.run(*inputs, *encoding, str(target))
        return target

    def run(self, *arguments: str) -> None:
        """Run ffmpeg."""
        subprocess.run(
            [self.ffmpeg, "-nostdin", "-v", "error", "-y", *arguments], check=True, timeout=60
        )

    def cut(self, source: Path, share: float) -> Path:
        """Make a file of the first part of another."""
        content = source.read_bytes()
        target = self.directory / f"cut-{share}-{source.name}"
        target.write_bytes(content[: int(len(content) * share)])
        return target

    def write(self, name: str, content: bytes) -> Path:
        """Make a file of these bytes."""
        target = self.directory / name
        target.write_bytes(content)
        return target
