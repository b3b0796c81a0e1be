"""Draw the rows that are shares of somebody else's time as bars in an SVG.

It brings its own background and follows the reader's light or dark scheme, as docs/picture.py does.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from html import escape

from .rows import Row

WIDTH, LEFT, RIGHT, TOP, STEP, BAR = 860, 20, 60, 64, 46, 14
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)
LIGHT = {
    "page": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "edge": "#8c959f",
    "met": "#1a7f37", "short": "#bc4c00",
}  # fmt: skip
DARK = {
    "page": "#0d1117", "ink": "#f0f6fc", "soft": "#9198a1", "edge": "#656c76",
    "met": "#3fb950", "short": "#f0883e",
}  # fmt: skip
COLOURS = string.Template("""
  .page { fill: $page; stroke: $edge; stroke-opacity: .4; } .ink { fill: $ink; }
  .soft { fill: $soft; } .grid { stroke: $edge; stroke-opacity: .4; }
  .met { fill: $met; } .short { fill: $short; } .goal { stroke: $ink; stroke-width: 2; }
""")
STYLE = (
    "text { font: 12.5px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; }"
    f"{COLOURS.substitute(LIGHT)}"
    f"@media (prefers-color-scheme: dark) {{{COLOURS.substitute(DARK)}}}"
)
TITLE = "Time, as a share of what it is compared with: shorter is better"
KIND = 'role="img" aria-labelledby="title"'
LEGEND = "The upright line on each bar is its goal."


def plot(rows: Sequence[Row]) -> str:
    """Write the whole SVG; a bar longer than the widest goal makes the scale longer."""
    drawn = [row for row in rows if row.is_share_of_time and row.goal is not None]
    height = TOP + STEP * len(drawn) + 34
    longest = max([GRID[-1], *(row.value for row in drawn)])
    scale = (WIDTH - LEFT - RIGHT) / longest
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {KIND}>',
            f'<title id="title">{TITLE}</title>',
            f"<style>{STYLE}</style>",
            f'<rect class="page" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="12"/>',
            _text(LEFT, 28, f"{TITLE}. {LEGEND}"),
            *(line for at in GRID for line in _grid(LEFT + at * scale, at, height)),
            *(line for n, row in enumerate(drawn) for line in _bar(row, TOP + STEP * n, scale)),
            "</svg>",
            "",
        ]
    )


def _grid(x: float, at: float, height: int) -> Iterator[str]:
    yield f'<line class="grid" x1="{x:.1f}" y1="{TOP - 10}" x2="{x:.1f}" y2="{height - 28}"/>'
    yield _text(x, height - 12, f"{at:g}", "soft")


def _bar(row: Row, top: int, scale: float) -> Iterator[str]:
    end, y = row.value * scale, top + 14
    goal = LEFT + (row.goal or 0.0) * scale
    yield _text(LEFT, top + 6, row.what)
    yield (
        f'<rect class="{row.verdict}" x="{LEFT}" y="{y}" width="{end:.1f}" height="{BAR}" rx="2"/>'
    )
    yield f'<line class="goal" x1="{goal:.1f}" y1="{y - 3}" x2="{goal:.1f}" y2="{y + BAR + 3}"/>'
    yield _text(LEFT + max(end, goal - LEFT) + 6, y + BAR - 3, f"{row.value:.2f}", "soft")


def _text(x: float, y: float, text: str, kind: str = "ink") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
