"""Ask the ffmpeg program which one it is."""

from __future__ import annotations

import re
import subprocess

from converter_service.adapters.cage.confine import HELD
from converter_service.adapters.cage.shape import Cage
from converter_service.adapters.child import ENVIRONMENT, Limits, wrap
from converter_service.domain import EngineFailure

VERSION = re.compile(r"ffmpeg version n?(\d+(?:\.\d+)*|\S+)")
PATIENCE_SECONDS = 20.0


def describe_ffmpeg(program: str, cage: Cage) -> str:
    """Ask the program for its version; blocks. Raises `EngineFailure` if it does not answer."""
    argv = wrap([program, "-version"], Limits(PATIENCE_SECONDS, file_bytes=0), cage, scratch=None)
    try:
        answer = subprocess.run(
            argv, capture_output=True, env=ENVIRONMENT, timeout=PATIENCE_SECONDS, check=True
        ).stdout.removeprefix(HELD)
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineFailure(f"{program} -version: {error}") from error
    found = VERSION.match(answer.decode(errors="replace"))
    return f"ffmpeg {found[1]}" if found else "ffmpeg"
