"""The engine against the libraries that people use for this."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import contestants
from .rows import Row, alternate, ratio, wall
from .sizes import Size
from .sources import film

GOAL = 0.35


def peers(directory: Path, size: Size) -> Iterator[Row]:
    """Convert ten minutes, in turns with moviepy and pydub, which run the same ffmpeg."""
    source = film(directory, size.long_seconds)
    mp3 = [directory / f"{name}.mp3" for name in ("engine", "moviepy", "pydub")]
    engine, moviepy, pydub = alternate(
        size.rounds,
        lambda: contestants.engine(source, mp3[0], size.long_seconds),
        lambda: contestants.moviepy(source, mp3[1]),
        lambda: contestants.pydub(source, mp3[2]),
    )
    for name, theirs in (("moviepy", moviepy), ("pydub", pydub)):
        what = f"10 min MP4: the engine's time, as a share of {name}'s"
        yield Row(f"peer_{name}", what, ratio(engine, theirs, wall), GOAL, is_share_of_time=True)
