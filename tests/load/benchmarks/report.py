"""Write what was measured into docs/performance.md, between two marks, and draw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .conditions import Conditions
from .plot import plot
from .rows import Row

DOCS = Path(__file__).parents[3] / "docs"
BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"
PAGE, PLOT = "performance.md", "performance.svg"


class NoPlace(Exception):
    """The page lacks the marks, so there is nowhere to write."""


def require_place(docs: Path) -> None:
    """Raise `NoPlace` if nothing can be written."""
    between_marks((docs / PAGE).read_text(encoding="utf-8"), "")


def write(docs: Path, rows: Sequence[Row], measured: Conditions, took: Mapping[str, float]) -> None:
    """Replace the figures and the plot; what is around them stays. Raises `NoPlace`."""
    page = docs / PAGE
    # First what can fail.
    text = between_marks(page.read_text(encoding="utf-8"), figures(rows, measured, took))
    (docs / PLOT).write_text(plot(rows), encoding="utf-8")
    page.write_text(text, encoding="utf-8")


def between_marks(page: str, figures: str) -> str:
    """Put figures between the marks of a page, whatever stood there. Raises `NoPlace`."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise NoPlace(f"the page needs {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def figures(rows: Sequence[Row], measured: Conditions, took: Mapping[str, float]) -> str:
    """Write the table, the conditions, and how long each benchmark took."""
    lengths = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items())
    return "\n".join(
        [
            f"![{rows[0].what}, and more]({PLOT})",
            "",
            f"Measured: {measured}.",
            "",
            "| what | figure | goal | | row |",
            "|---|---|---|---|---|",
            *map(_line, rows),
            "",
            f"How long each took: {lengths}.",
        ]
    )


def _line(row: Row) -> str:
    goal = (
        "" if row.goal is None else row.wanted.replace("<=", "at most ").replace(">=", "at least ")
    )
    verdict = {"met": "met", "short": "**short**", "none": ""}[row.verdict]
    return f"| {row.what} | {row.value:.4g} | {goal} | {verdict} | `{row.name}` |"
