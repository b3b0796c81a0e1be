"""Convert as pydub's documentation shows: `python pydubs_way.py FFMPEG SOURCE TARGET V`."""

from __future__ import annotations

import sys
import warnings

with warnings.catch_warnings():
    # On import it looks for ffmpeg on PATH and warns; it is told below which one to use.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment


def main(program: str, source: str, target: str, quality: str) -> None:
    """Load the video's audio, export it."""
    AudioSegment.converter = program
    # With the codec it does not ask ffprobe first, which is not everywhere where ffmpeg is.
    sound = AudioSegment.from_file(source, codec="aac")
    sound.export(target, format="mp3", parameters=["-q:a", quality])


if __name__ == "__main__":
    main(*sys.argv[1:])
