# ruff: noqa: INP001 - a script beside the picture that it draws, no package
"""Draw the architecture as SVG from the tables below.

    python docs/picture.py > docs/architecture.svg

Standard library only. The picture brings its own background and follows the reader's light or dark
scheme, so that it can be read on any page.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 1020, 618
LINE_HEIGHT = 17
SUMMARY = (
    "Callers reach Envoy, Envoy reaches auth, gateway and notifier over gRPC. Videos go from the "
    "gateway through GridFS to the converter, MP3s the same way back. Kafka carries requests, "
    "events and notifications between gateway, converter and notifier. The notifier sends mail and "
    "webhooks."
)

# Colours as plain values, for not every viewer of SVG knows CSS variables.
LIGHT = {
    "page": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "edge": "#8c959f", "box": "#f6f8fa",
    "store": "#eaeef2", "call": "#0969da", "bytes": "#bc4c00", "event": "#8250df",
}  # fmt: skip
DARK = {
    "page": "#0d1117", "ink": "#f0f6fc", "soft": "#9198a1", "edge": "#656c76", "box": "#151b23",
    "store": "#262c36", "call": "#4493f8", "bytes": "#f0883e", "event": "#ab7df8",
}  # fmt: skip
SHAPES = """
  text { font-family: system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; }
  .title { font-size: 15px; font-weight: 600; } .line, .label { font-size: 12.5px; }
  .arrow { fill: none; stroke-width: 2; }
"""
COLOURS = string.Template("""
  .page { fill: $page; stroke: $edge; stroke-opacity: .4; }
  .box { fill: $box; stroke: $edge; } .store { fill: $store; stroke: $edge; }
  .title, .label { fill: $ink; } .line { fill: $soft; }
  .arrow.call { stroke: $call; } .arrow.bytes { stroke: $bytes; } .arrow.event { stroke: $event; }
  .tip.call { fill: $call; } .tip.bytes { fill: $bytes; } .tip.event { fill: $event; }
""")
STYLE = (
    f"{SHAPES}{COLOURS.substitute(LIGHT)}"
    f"@media (prefers-color-scheme: dark) {{{COLOURS.substitute(DARK)}}}\n"
)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with a title and lines below it; the kind is a class of the style."""

    left: int
    top: int
    width: int
    height: int
    title: str
    lines: tuple[str, ...] = ()
    kind: str = "box"


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line from point to point with a head at its end, a dot at its start, a label beside it."""

    kind: str
    points: tuple[tuple[int, int], ...]
    label: str = ""
    label_at: tuple[int, int] = (0, 0)
    head: bool = True


REQUESTS, EVENTS = "conversion-requests", "conversion-events"

BOXES = (
    Box(24, 24, 200, 50, "Web page", ("in a browser",)),
    Box(244, 24, 200, 50, "curl, any HTTP client", ("REST and JSON",)),
    Box(464, 24, 200, 50, "grpcurl, Python stubs", ("gRPC",)),
    Box(806, 24, 190, 50, "The owner's mailbox", ("mail, webhooks",)),
    Box(
        24, 114, 850, 62, "Envoy: the one public port",
        ("turns REST into gRPC, checks tokens, limits rates, watches health, retries reads",),
    ),
    Box(
        24, 236, 160, 100, "auth_service",
        ("accounts, login,", "publishes the keys", "of its tokens"),
    ),
    Box(24, 336, 160, 46, "MySQL: auth", ("accounts, keys",), "store"),
    Box(
        222, 236, 180, 100, "gateway_service",
        ("uploads, conversions,", "progress, downloads,", "the web page"),
    ),
    Box(222, 336, 180, 46, "MongoDB: gateway", ("conversions, outbox",), "store"),
    Box(444, 236, 90, 46, "GridFS", ("videos",), "store"),
    Box(444, 290, 90, 46, "GridFS", ("audio",), "store"),
    Box(
        576, 236, 190, 100, "converter_service",
        ("ffmpeg in child processes;", "decodes every MP3", "before it counts"),
    ),
    Box(576, 336, 190, 46, "MongoDB: converter", ("claims, outcomes, outbox",), "store"),
    Box(
        806, 236, 190, 100, "notifier_service",
        ("sends mail, tries again,", "keeps the record", "of deliveries"),
    ),
    Box(806, 336, 190, 46, "MongoDB: notifier", ("deliveries, webhooks",), "store"),
    Box(222, 420, 774, 140, "Kafka"),
)  # fmt: skip

ARROWS = (
    Arrow("call", ((124, 74), (124, 114))),
    Arrow("call", ((344, 74), (344, 114))),
    Arrow("call", ((564, 74), (564, 114))),
    Arrow("call", ((60, 176), (60, 236)), "accounts, login", (70, 210)),
    Arrow("call", ((258, 176), (258, 236)), "uploads, states, downloads", (268, 210)),
    Arrow("call", ((840, 176), (840, 236)), "deliveries", (766, 210)),
    Arrow("call", ((940, 236), (940, 74)), "SMTP", (950, 160)),
    Arrow("bytes", ((402, 259), (444, 259))),
    Arrow("bytes", ((534, 259), (576, 259))),
    Arrow("bytes", ((576, 313), (534, 313))),
    Arrow("bytes", ((444, 313), (402, 313))),
    Arrow("event", ((372, 382), (372, 456), (612, 456), (612, 382)), REQUESTS, (420, 450)),
    Arrow("event", ((730, 382), (730, 492), (312, 492), (312, 382)), EVENTS, (420, 486)),
    Arrow("event", ((842, 382), (842, 492), (730, 492)), head=False),
    Arrow("event", ((252, 382), (252, 528), (960, 528), (960, 382)), "notifications", (420, 522)),
)

TEXTS = (
    (984, 550, "end", "What cannot be read or applied goes to dead-letters."),
    (80, 594, "start", "calls: gRPC, HTTP, SMTP"),
    (310, 594, "start", "bytes: videos in, MP3s out"),
    (560, 594, "start", "events: protobuf with CloudEvents headers, at least once"),
)
LEGEND = (("call", 30, 590), ("bytes", 260, 590), ("event", 510, 590))

OPENING = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title summary">'
)


def picture() -> str:
    """Write the whole SVG."""
    return "\n".join(
        [
            OPENING,
            '<title id="title">The architecture of Tonearm</title>',
            f'<desc id="summary">{escape(SUMMARY)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="page" x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="12"/>',
            *(line for box in BOXES for line in _box(box)),
            *(line for arrow in ARROWS for line in _arrow(arrow)),
            *(line for kind, x, y in LEGEND for line in _arrow(Arrow(kind, ((x, y), (x + 38, y))))),
            *(_text(x, y, text, "line", anchor) for x, y, anchor, text in TEXTS),
            "</svg>",
            "",
        ]
    )


def _box(box: Box) -> Iterator[str]:
    yield (
        f'<rect class="{box.kind}" x="{box.left}" y="{box.top}" width="{box.width}" '
        f'height="{box.height}" rx="6"/>'
    )
    middle = box.left + box.width // 2
    # A box without lines is a frame: its title stands in its corner.
    if not box.lines:
        yield _text(box.left + 12, box.top + box.height - 10, box.title, "title", "start")
        return
    first = box.top + (box.height - LINE_HEIGHT * len(box.lines)) // 2 + 4
    yield _text(middle, first, box.title, "title", "middle")
    for number, line in enumerate(box.lines, start=1):
        yield _text(middle, first + LINE_HEIGHT * number, line, "line", "middle")


def _arrow(arrow: Arrow) -> Iterator[str]:
    path = " ".join(f"{x},{y}" for x, y in _shortened(arrow))
    yield f'<polyline class="arrow {arrow.kind}" points="{path}"/>'
    (x, y), (end_x, end_y) = arrow.points[0], arrow.points[-1]
    yield f'<circle class="tip {arrow.kind}" cx="{x}" cy="{y}" r="3.5"/>'
    if arrow.head:
        along_x, along_y = _direction(arrow)
        yield (
            f'<polygon class="tip {arrow.kind}" points="{end_x},{end_y} '
            f"{end_x - 9 * along_x + 5 * along_y},{end_y - 9 * along_y + 5 * along_x} "
            f'{end_x - 9 * along_x - 5 * along_y},{end_y - 9 * along_y - 5 * along_x}"/>'
        )
    if arrow.label:
        yield _text(*arrow.label_at, arrow.label, "label", "start")


def _shortened(arrow: Arrow) -> tuple[tuple[int, int], ...]:
    """End the line inside its head, so that it does not blunt the point."""
    if not arrow.head:
        return arrow.points
    along_x, along_y = _direction(arrow)
    end_x, end_y = arrow.points[-1]
    return (*arrow.points[:-1], (end_x - 6 * along_x, end_y - 6 * along_y))


def _direction(arrow: Arrow) -> tuple[int, int]:
    """Tell where the last stretch leads; all stretches are horizontal or vertical."""
    (from_x, from_y), (to_x, to_y) = arrow.points[-2:]
    return (to_x > from_x) - (to_x < from_x), (to_y > from_y) - (to_y < from_y)


def _text(x: int, y: int, text: str, kind: str, anchor: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


if __name__ == "__main__":
    sys.stdout.write(picture())
