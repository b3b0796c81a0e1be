"""Figures are put together as they are meant to be, and end up in the page."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from .benchmarks.conditions import Conditions
from .benchmarks.overhead import Bill
from .benchmarks.plot import plot
from .benchmarks.processes import descendants, looking, memory_bytes, runs, spent
from .benchmarks.report import BEGIN, DOCS, END, PAGE, PLOT, NoPlace, between_marks, write
from .benchmarks.rows import Cost, Row, alternate, cpu, p99, ratio, wall
from .benchmarks.sources import make_different

FAST = Row("fast", "a fast thing", 0.25, 0.5, is_share_of_time=True)
SLOW = Row("slow", "a slow thing", 0.75, 0.5, is_share_of_time=True)
SCORE = Row("score", "a score", -0.01, -0.02, more_is_better=True)
PLAIN = Row("plain", "a thing to know", 12.0, None)
MEASURED = Conditions("2026-01-02", "2 x Abacus", "Python 3", 0.5)
SVG = "{http://www.w3.org/2000/svg}"
MEMORY_FILE = """
import os, subprocess, sys
file = os.memfd_create("samples")
os.write(file, bytes(32_000_000))
"""
WAITS = "print('ready', flush=True); sys.stdin.read()"
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"


@contextmanager
def python(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run Python until the block ends; begins when it has said that it is ready."""
    with subprocess.Popen(
        [sys.executable, "-c", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (FAST, "BENCH name=fast value=0.25 goal=<=0.5 met"),
        (SLOW, "BENCH name=slow value=0.75 goal=<=0.5 short"),
        (SCORE, "BENCH name=score value=-0.01 goal=>=-0.02 met"),
        (PLAIN, "BENCH name=plain value=12 goal=none none"),
    ],
)
def test_a_row_is_a_line_for_programs(row: Row, line: str) -> None:
    assert str(row) == line


def test_a_figure_that_is_its_goal_has_met_it() -> None:
    assert Row("most", "", 0.5, 0.5).verdict == "met"
    assert Row("least", "", 0.5, 0.5, more_is_better=True).verdict == "met"


def test_ratios_are_taken_round_by_round_and_their_median_counts() -> None:
    ours = [Cost(1, 8), Cost(2, 8), Cost(30, 8)]
    theirs = [Cost(2, 2), Cost(5, 4), Cost(40, 1)]

    assert ratio(ours, theirs, wall) == 0.5
    assert ratio(ours, theirs, cpu) == 4


def test_contestants_take_turns_and_the_first_turn_does_not_count() -> None:
    turns: list[str] = []

    def contestant(name: str) -> Cost:
        turns.append(name)
        return Cost(len(turns))

    ours, theirs = alternate(2, lambda: contestant("a"), lambda: contestant("b"))

    assert turns == ["a", "b", "a", "b", "a", "b"]
    assert [each.wall_seconds for each in ours] == [3, 5]
    assert [each.wall_seconds for each in theirs] == [4, 6]


def test_99_of_100_waits_do_not_exceed_the_p99() -> None:
    assert p99([float(each) for each in range(100, 0, -1)]) == 99
    assert p99([7.0]) == 7


def test_services_and_python_are_held_against_all_that_a_job_took() -> None:
    assert Bill(services=1.0, python=2.0, children=11.0).share == 0.25


def test_figures_replace_those_of_the_run_before_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / PAGE
    page.write_text(f"Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")

    for rows in ([SLOW], [FAST, SLOW, SCORE, PLAIN]):
        write(tmp_path, rows, MEASURED, {"speed": 12.4})

    text = page.read_text()
    assert text.startswith(f"Before.\n\n{BEGIN}\n![")
    assert text.endswith(f"\n{END}\n\nAfter.\n")
    assert "old" not in text
    assert text.count("| `slow` |") == 1
    assert "| a fast thing | 0.25 | at most 0.5 | met | `fast` |" in text
    assert "| a slow thing | 0.75 | at most 0.5 | **short** | `slow` |" in text
    assert "| a score | -0.01 | at least -0.02 | met | `score` |" in text
    assert "| a thing to know | 12 |  |  | `plain` |" in text
    assert "2026-01-02, 2 x Abacus, load 0.5 at the start; Python 3" in text
    assert "speed 12 s" in text
    assert (tmp_path / PLOT).is_file()


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_a_page_without_both_marks_is_left_alone(page: str) -> None:
    with pytest.raises(NoPlace):
        between_marks(page, "figures")


def test_the_page_has_a_place_for_the_figures() -> None:
    assert between_marks((DOCS / PAGE).read_text(encoding="utf-8"), "figures")


def bars(rows: Sequence[Row]) -> dict[str, float]:
    """Read the bars of a plot: their lengths by their classes."""
    found = ET.fromstring(plot(rows)).iter(f"{SVG}rect")  # noqa: S314 - we wrote it
    return {each.attrib["class"]: float(each.attrib["width"]) for each in found}


def test_the_plot_has_a_bar_for_each_share_of_time_as_long_as_the_figure() -> None:
    drawn = bars([FAST, SCORE, PLAIN, SLOW])

    assert drawn.keys() == {"page", "met", "short"}
    assert drawn["short"] == pytest.approx(3 * drawn["met"], abs=0.2)


def test_a_bar_never_leaves_the_plot() -> None:
    drawn = bars([Row("awful", "an awful thing", 9.0, 0.5, is_share_of_time=True)])

    assert drawn["short"] < drawn["page"]


def test_memory_has_the_files_in_memory_that_a_grandchild_has_open() -> None:
    with python(PARENT, f"import sys{MEMORY_FILE}{WAITS}") as process:
        with_file = memory_bytes(process.pid)
        process.communicate()
    with python(PARENT, f"import sys\n{WAITS}") as process:
        without = memory_bytes(process.pid)
        process.communicate()

    assert 25e6 < with_file - without < 60e6


def test_what_a_process_shares_with_its_child_counts_once(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.write_bytes(bytes(40_000_000))
    # Both have all of it in their memory.
    maps = (
        f"import mmap, sys\nfile = open({str(shared)!r}, 'rb')\n"
        "memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\nsum(memory[::4096])\n"
    )

    with python(f"{maps}{PARENT}", f"{maps}{WAITS}") as process:
        both = memory_bytes(process.pid)
        process.communicate()

    assert 40e6 < both < 75e6


def test_a_process_is_known_by_its_program() -> None:
    with python(f"import sys; {WAITS}") as process:
        assert runs(process.pid, Path(sys.executable).resolve())
        assert not runs(process.pid, Path("/bin/sh").resolve())
        process.communicate()

    assert not runs(process.pid, Path(sys.executable).resolve())


def test_what_children_have_spent_is_theirs_until_they_have_ended() -> None:
    spends = "import sys, time\nwhile time.process_time() < 0.3: pass\n"
    with python(PARENT, f"{spends}{WAITS}") as process:
        (child,) = descendants(process.pid)
        before, childs = spent(process.pid), spent(child)
        process.communicate()

    assert childs.own >= 0.29
    assert before.reaped == 0


def test_the_last_look_is_after_the_block() -> None:
    looks: list[int] = []
    steps = 0

    with looking(lambda: looks.append(steps), seconds=60):
        steps = 1

    assert looks == [1]


def test_a_video_gets_other_bytes_but_keeps_its_content(tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes(b"content")

    make_different(video, 7)

    assert video.read_bytes() == b"content" + bytes([0, 0, 0, 16]) + b"free" + bytes(7) + b"\x07"
