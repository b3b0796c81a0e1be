"""Which drills a run of chaos has: by its length, unless they are named."""

from __future__ import annotations

from argparse import ArgumentTypeError

from .drills import BEFORE
from .every_point import AFTER

DRILLS_FROM, EVERY_POINT_FROM = 200, 1000
"""So many faults has a run with drills, and one that must kill at every failpoint."""
DRILLS = (*BEFORE, *AFTER)


def usual_drills(faults: int) -> tuple[str, ...]:
    """Give a run of so many faults what it should have."""
    before, after = faults >= DRILLS_FROM, faults >= EVERY_POINT_FROM
    return (*(BEFORE if before else ()), *(AFTER if after else ()))


def named_drills(names: str) -> tuple[str, ...]:
    """Read `all`, `none`, or names between commas. Raises `ArgumentTypeError` for another."""
    named = {"all": DRILLS, "none": ()}.get(names, tuple(names.split(",")))
    if unknown := set(named) - set(DRILLS):
        raise ArgumentTypeError(f"there is no drill {', '.join(sorted(unknown))}")
    return named
