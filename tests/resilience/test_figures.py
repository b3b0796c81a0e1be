"""The figures of a run say what happened."""

from __future__ import annotations

from .checker import Verdict
from .customers import Job
from .evidence import Fault, Finding
from .faults import Strike
from .figures import last_line, percentile, recovery, table, trouble_table

KILL = Strike("kill-gateway", "gateway", 10, 10)
FREEZE = Strike("freeze-converter", "converter", 10, 20)


def test_recovery_lasts_from_the_end_of_the_fault_to_the_end_of_the_last_job_it_befell() -> None:
    before, during, while_frozen, after = Job(1, 9), Job(9, 13), Job(19, 26), Job(21, 90)

    assert recovery(KILL, [before, during, while_frozen, after]) == 3
    assert recovery(FREEZE, [before, during, while_frozen, after]) == 6


def test_a_fault_that_befell_nobody_has_no_recovery() -> None:
    assert recovery(KILL, [Job(1, 9), Job(11, 12)]) is None


def test_what_ended_before_the_fault_was_over_took_no_time_after_it() -> None:
    assert recovery(FREEZE, [Job(9, 13)]) == 0


def test_percentiles_are_those_of_the_textbook() -> None:
    assert percentile([], 99) == 0
    assert percentile([4], 50) == 4
    assert percentile(list(range(101)), 99) == 99
    assert percentile(list(range(101)), 50) == 50


def test_the_table_has_a_line_for_each_kind() -> None:
    lines = table([KILL, FREEZE, KILL], [Job(9, 13)]).splitlines()

    assert [line.split() for line in lines[1:]] == [
        ["freeze-converter", "1", "0.0", "0.0"],
        ["kill-gateway", "2", "3.0", "3.0"],
    ]


def test_the_table_of_troubles_counts_each_kind_and_tells_them() -> None:
    lines = trouble_table({"odd answer": ["GET / 500"], "given up": []}).splitlines()

    assert [line.split() for line in lines[1:3]] == [["odd", "answer", "1"], ["given", "up", "0"]]
    assert lines[3:] == ["odd answer: GET / 500"]


def test_the_last_line_is_for_programs() -> None:
    findings = (
        Finding(Fault.LOST, "one", "gone"),
        Finding(Fault.LOST, "one", "no mail"),
        Finding(Fault.PARTIAL, "two", "short"),
    )

    line = last_line([KILL], [Job(9, 13)], Verdict(7, findings), 42)

    assert line == (
        "CHAOS faults=1 conversions=7 lost=1 duplicated=0 partial=1 "
        "recovery_p50_s=3.0 recovery_p99_s=3.0 seed=42"
    )
