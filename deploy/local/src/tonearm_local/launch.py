"""Become a part of the stack: replace this process by the program that the blueprint names.

Called as `python -IS launch.py BLUEPRINT PART`. The supervisor's configuration has quoting rules
of its own, which paths and secrets would have to survive; so it names only the part. Standard
library only: this runs once for every part.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

EX_CONFIG = 78


def main() -> None:
    """Execute the program of the part; the process keeps its id, so signals reach the program."""
    blueprint, name = sys.argv[1:]
    parts = {part["name"]: part for part in json.loads(Path(blueprint).read_bytes())["parts"]}
    if name not in parts:
        sys.stderr.write(f"{blueprint} has no part {name}\n")
        sys.exit(EX_CONFIG)
    part = parts[name]
    os.execvpe(part["argv"][0], part["argv"], {**os.environ, **part["environment"]})  # noqa: S606 - the blueprint is ours


if __name__ == "__main__":
    main()
