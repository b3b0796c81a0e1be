"""Do all that a worker's engine does for a conversion: `python -m ... SOURCE`.

In a process of its own, so that the memory of all its processes can be added up.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from converter_service.adapters.cage.choice import choose_cage, trial_in
from converter_service.adapters.engine_patience import Patience
from converter_service.adapters.ffmpeg import FfmpegEngine
from converter_service.adapters.scratch import ScratchWorkshop
from converter_service.domain import Options, Recipe

from .contestants import WORKERS, program


async def main(source: Path, scratch: Path) -> None:
    """Inspect, encode and decode, in the cage that this machine has."""
    workshop = ScratchWorkshop(scratch)
    cage = await choose_cage("auto", trial_in(workshop))
    engine = FfmpegEngine(program(), Patience(), cage, encoders=WORKERS)
    async with workshop.open() as place:
        shutil.copyfile(source, place.video)
        recipe = Recipe.of(Options(), await engine.inspect(place.video))
        await engine.encode(place.video, place.audio, recipe, lambda _: None)
        await engine.decode(place.audio, recipe)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(Path(sys.argv[1]), Path(directory)))
