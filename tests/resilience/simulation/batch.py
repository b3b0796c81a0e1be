"""Run the schedules of a seed."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import Schedule

BATCH = 250
STEPS = 30


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of the schedules that one seed makes."""

    seed: int
    schedules: int
    failure: str
    cause: str = ""


def run_batch(number: int, size: int = BATCH, *, shrink: bool = True) -> Batch:
    """Run the schedules that a seed makes: the same ones every time."""

    class Seeded(Schedule):
        """A schedule of this batch."""

        count = 0

    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    try:
        run_state_machine_as_test(
            seed(number)(Seeded),
            settings=settings(
                max_examples=size,
                stateful_step_count=STEPS,
                database=None,
                deadline=None,
                phases=phases,
                report_multiple_bugs=False,
                print_blob=False,
                verbosity=Verbosity.normal,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        cause = f"{type(error).__name__}: {error}"
        return Batch(number, Seeded.count, traceback.format_exc(), cause)
    return Batch(number, Seeded.count, "")
