"""Line charts as SVG text, drawn without a plotting library."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    right, bottom = WIDTH - LEGEND, top + HEIGHT

    def across(at: float) -> float:
        return LEFT + (at - places[0]) / (places[-1] - places[0]) * (right - LEFT)

    def down(value: float) -> float:
        return bottom - (value - low) / (high - low) * HEIGHT

    parts = [
        f'<text x="{LEFT}" y="{top - 10}" font-weight="bold">{escape(title)}</text>',
        f'<path d="M{LEFT} {top}V{bottom}H{right}" fill="none" stroke="black"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{high:.4g}</text>',
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">{low:.4g}</text>',
        f'<text x="{LEFT}" y="{bottom + 18}">{places[0]:g}</text>',
        f'<text x="{right}" y="{bottom + 18}" text-anchor="end">'
        f"{escape(x_label)} {places[-1]:g}</text>",
    ]
    if low < 0 < high:
        parts.append(f'<path d="M{LEFT} {down(0):.1f}H{right}" stroke="gray" stroke-width="0.5"/>')
    if len(places) <= TICKS:
        parts += [
            f'<text x="{across(x):.1f}" y="{bottom + 18}" text-anchor="middle">{x:g}</text>'
            for x in places[1:-1]
        ]
    for i, (name, curve) in enumerate(curves.items()):
        color, y = COLORS[i % len(COLORS)], top + 12 + 18 * i
        # Intervals beside each other, not one over the other.
        aside = SIDESTEP * (i - (len(curves) - 1) / 2) if len(curve[0]) > 2 else 0.0
        points = " ".join(f"{across(x) + aside:.1f},{down(v):.1f}" for x, v, *_ in curve)
        dashes = ' stroke-dasharray="5 3"' if name in dashed else ""
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"{dashes}/>'
        )
        bars = [
            f"M{across(x) + aside:.1f} {down(ends[0]):.1f}V{down(ends[1]):.1f}"
            for x, _, *ends in curve
            if ends
        ]
        if bars:
            parts.append(f'<path d="{"".join(bars)}" stroke="{color}" stroke-width="1"/>')
        parts.append(f'<text x="{right + 30}" y="{y}" fill="{color}">{escape(name)}</text>')
        parts.append(
            f'<path d="M{right + 14} {y - 4}h12" stroke="{color}" stroke-width="1.5"{dashes}/>'
        )
    return parts
