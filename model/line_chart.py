"""Line charts as SVG text, drawn without a plotting library."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 760, 220, 60, 30, 60
LEGEND = 170
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe & Ito's, which the colour-blind can tell apart."""

SIDESTEP = 2.5
"""Between intervals at the same x."""

TICKS = 6
"""Places on the x axis that are few enough to be named each."""

Curve = list[tuple[float, ...]]
"""Points (x, y), or (x, y, low, high) where there is an interval."""

Panel = tuple[str, dict[str, Curve]]
"""A title, and curves by the name of their line."""


def line_chart(
    title: str, panels: Sequence[Panel], x_label: str, dashed: Collection[str] = ()
) -> str:
    """Panels one above the other over the same x axis; "" where no line has two points.

    Args:
        title: Of all.
        panels: From the top.
        x_label: What x is.
        dashed: Names of lines that are there for comparison.
    """
    panels = [(name, drawable) for name, curves in panels if (drawable := _drawable(curves))]
    if not panels:
        return ""
    places = sorted({x for _, curves in panels for curve in curves.values() for x, *_ in curve})
    height = len(panels) * (HEIGHT + GAP) + TOP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for i, (name, curves) in enumerate(panels):
        top = TOP + i * (HEIGHT + GAP)
        parts += _panel(name, curves, places, top, x_label, dashed)
    return "\n".join([*parts, "</svg>\n"])


def _drawable(curves: dict[str, Curve]) -> dict[str, Curve]:
    return {name: curve for name, curve in curves.items() if len(curve) > 1}


@dataclass(frozen=True)
class _Scale:
    """From numbers to places on a panel."""

    places: Sequence[float]  # on the x axis, in order
    low: float
    high: float
    top: float

    @property
    def right(self) -> int:
        return WIDTH - LEGEND

    @property
    def bottom(self) -> float:
        return self.top + HEIGHT

    def across(self, at: float) -> float:
        first, last = self.places[0], self.places[-1]
        return LEFT + (at - first) / (last - first) * (self.right - LEFT)

    def down(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * HEIGHT


def _panel(
    title: str,
    curves: dict[str, Curve],
    places: Sequence[float],
    top: float,
    x_label: str,
    dashed: Collection[str],
) -> list[str]:
    values = [value for curve in curves.values() for _, *numbers in curve for value in numbers]
    low, high = min(values), max(values)
    if high == low:
        low, high = low - 0.5, high + 0.5
    scale = _Scale(places, low, high, top)
    parts = _axes(title, x_label, scale)
    for i, (name, curve) in enumerate(curves.items()):
        # Intervals beside each other, not one over the other.
        aside = SIDESTEP * (i - (len(curves) - 1) / 2) if len(curve[0]) > 2 else 0.0
        dashes = ' stroke-dasharray="5 3"' if name in dashed else ""
        color, y = COLORS[i % len(COLORS)], top + 12 + 18 * i
        parts += _line(curve, scale, aside, color, dashes)
        at = scale.right + 14
        parts += [
            f'<text x="{at + 16}" y="{y}" fill="{color}">{escape(name)}</text>',
            f'<path d="M{at} {y - 4}h12" stroke="{color}" stroke-width="1.5"{dashes}/>',
        ]
    return parts


def _axes(title: str, x_label: str, scale: _Scale) -> list[str]:
    places, top, right, bottom = scale.places, scale.top, scale.right, scale.bottom
    parts = [
        f'<text x="{LEFT}" y="{top - 10}" font-weight="bold">{escape(title)}</text>',
        f'<path d="M{LEFT} {top}V{bottom}H{right}" fill="none" stroke="black"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{scale.high:.4g}</text>',
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">{scale.low:.4g}</text>',
        f'<text x="{LEFT}" y="{bottom + 18}">{places[0]:g}</text>',
        f'<text x="{right}" y="{bottom + 18}" text-anchor="end">'
        f"{escape(x_label)} {places[-1]:g}</text>",
    ]
    if scale.low < 0 < scale.high:
        zero = f"M{LEFT} {scale.down(0):.1f}H{right}"
        parts.append(f'<path d="{zero}" stroke="gray" stroke-width="0.5"/>')
    if len(places) <= TICKS:
        parts += [
            f'<text x="{scale.across(x):.1f}" y="{bottom + 18}" text-anchor="middle">{x:g}</text>'
            for x in places[1:-1]
        ]
    return parts


def _line(curve: Curve, scale: _Scale, aside: float, color: str, dashes: str) -> list[str]:
    """A line and its intervals, some pixels aside."""
    points = " ".join(f"{scale.across(x) + aside:.1f},{scale.down(v):.1f}" for x, v, *_ in curve)
    bars = [
        f"M{scale.across(x) + aside:.1f} {scale.down(ends[0]):.1f}V{scale.down(ends[1]):.1f}"
        for x, _, *ends in curve
        if ends
    ]
    line = f'points="{points}" fill="none" stroke="{color}" stroke-width="1.5"{dashes}'
    parts = [f"<polyline {line}/>"]
    if bars:
        parts.append(f'<path d="{"".join(bars)}" stroke="{color}" stroke-width="1"/>')
    return parts
