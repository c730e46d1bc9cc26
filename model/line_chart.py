"""Line charts as SVG text, drawn without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 760, 220, 60, 30, 60
LEGEND = 170
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe & Ito's, which the colour-blind can tell apart."""

Curve = list[tuple[float, float]]
Panel = tuple[str, dict[str, Curve]]
"""A title, and points (x, y) by the name of their line."""


def line_chart(title: str, panels: Sequence[Panel], x_label: str) -> str:
    """Panels one above the other over the same x axis; "" where no line has two points."""
    panels = [(name, drawable) for name, curves in panels if (drawable := _drawable(curves))]
    if not panels:
        return ""
    places = [x for _, curves in panels for curve in curves.values() for x, _ in curve]
    height = len(panels) * (HEIGHT + GAP) + TOP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for i, (name, curves) in enumerate(panels):
        top = TOP + i * (HEIGHT + GAP)
        parts += _panel(name, curves, (min(places), max(places)), top, x_label)
    return "\n".join([*parts, "</svg>\n"])


def _drawable(curves: dict[str, Curve]) -> dict[str, Curve]:
    return {name: curve for name, curve in curves.items() if len(curve) > 1}


def _panel(
    title: str, curves: dict[str, Curve], ends: tuple[float, float], top: float, x_label: str
) -> list[str]:
    values = [value for curve in curves.values() for _, value in curve]
    low, high = min(values), max(values)
    if high == low:
        low, high = low - 0.5, high + 0.5
    right, bottom = WIDTH - LEGEND, top + HEIGHT

    def place(at: float, value: float) -> str:
        x = LEFT + (at - ends[0]) / (ends[1] - ends[0]) * (right - LEFT)
        y = bottom - (value - low) / (high - low) * HEIGHT
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<text x="{LEFT}" y="{top - 10}" font-weight="bold">{escape(title)}</text>',
        f'<path d="M{LEFT} {top}V{bottom}H{right}" fill="none" stroke="black"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{high:.4g}</text>',
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">{low:.4g}</text>',
        f'<text x="{LEFT}" y="{bottom + 18}">{ends[0]:g}</text>',
        f'<text x="{right}" y="{bottom + 18}" text-anchor="end">'
        f"{escape(x_label)} {ends[1]:g}</text>",
    ]
    for i, (name, curve) in enumerate(curves.items()):
        color, y = COLORS[i % len(COLORS)], top + 12 + 18 * i
        points = " ".join(place(*point) for point in curve)
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>',
            f'<text x="{right + 10}" y="{y}" fill="{color}">{escape(name)}</text>',
        ]
    return parts
