"""Each process is killed at its failpoints, and everything that was accepted ends well.

Every round kills a gateway, a converter and the notifier at one point each while one conversion
passes. Here each point is armed once, before or after its step in turn; `make chaos` arms all.
"""

from __future__ import annotations

from itertools import zip_longest

import pytest

from .points import STEPS
from .rig import Rig
from .trial import Trial

REACH_SECONDS = 20.0


def rounds() -> list[tuple[str, ...]]:
    """Put together the points of a round, one of each service that has any left."""
    columns = [
        [f"{service}.{step}.{('before', 'after')[n % 2]}" for n, step in enumerate(steps)]
        for service, steps in STEPS.items()
    ]
    return [tuple(filter(None, row)) for row in zip_longest(*columns)]


@pytest.mark.parametrize("points", rounds(), ids=",".join)
async def test_a_conversion_survives_a_kill_of_each_process(
    rig: Rig, trial: Trial, points: tuple[str, ...]
) -> None:
    before = {point: len(rig.fired(point)) for point in points}
    for point in points:
        rig.arm(point, "kill")

    await trial.ended(*await trial.uploads(["short.mp4"]))

    assert await trial.findings() == []
    assert [point for point in points if len(rig.fired(point)) == before[point]] == []
