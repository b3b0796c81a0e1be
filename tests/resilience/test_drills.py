"""Drills are those that a run should have, and no failpoint is left out of the last of them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from .drill_plan import DRILLS, named_drills, usual_drills
from .every_point import rounds
from .faults import FAILPOINT_KILL, Strike
from .points import POINTS
from .tally import Tally


def test_a_long_run_has_drills_and_the_longest_has_all() -> None:
    assert usual_drills(199) == ()
    assert usual_drills(200) == ("wipes", "away-mongodb", "away-mariadb", "freeze", "accounts")
    assert usual_drills(1000) == (*usual_drills(200), "points")


def test_drills_can_be_named() -> None:
    assert named_drills("all") == DRILLS
    assert named_drills("none") == ()
    assert named_drills("freeze,wipes") == ("freeze", "wipes")
    with pytest.raises(ArgumentTypeError, match="no drill thaw"):
        named_drills("freeze,thaw")


def test_points_are_dealt_out_one_of_each_service_at_a_time() -> None:
    dealt = rounds(POINTS)

    assert sorted(point for each in dealt for point in each) == sorted(POINTS)
    for each in dealt:
        services = [point.partition(".")[0] for point in each]
        assert len(set(services)) == len(services)


def test_a_point_is_left_until_somebody_was_killed_there(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "faults.jsonl")

    tally.note(Strike("failpoint-outage", POINTS[0]))
    tally.note(Strike(FAILPOINT_KILL, POINTS[1]))

    assert tally.never_reached == [POINTS[0], *POINTS[2:]]
