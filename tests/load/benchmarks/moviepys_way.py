"""Convert as moviepy's documentation shows: `python moviepys_way.py FFMPEG SOURCE TARGET V`."""

from __future__ import annotations

import os
import sys


def main(program: str, source: str, target: str, quality: str) -> None:
    """Open the video, write its audio."""
    os.environ["FFMPEG_BINARY"] = program  # it reads this when it is imported
    from moviepy import VideoFileClip  # noqa: PLC0415 - as above

    with VideoFileClip(source) as clip:
        how = ["-q:a", quality]
        clip.audio.write_audiofile(target, codec="libmp3lame", ffmpeg_params=how, logger=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
