"""A study's figures as curves: what a summary loses without the top words, and with them alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.explanation.metrics import FIGURES
from model.explanation.rankings import BASELINES
from model.line_chart import Curve, line_chart

TITLES = (
    "Removing the top words: probability a token lost (more is better)",
    "Showing the top words alone: probability a token lost (less is better)",
    "Removing the top words: nats a token lost",
    "Showing the top words alone: nats a token lost",
)
"""Of the panels, in the order of `FIGURES`."""


def curves(report: Mapping[str, Any]) -> str:
    """SVG with a panel a figure and a line with 95 % intervals a method; baselines are dashed."""
    panels = [
        (title, {name: _curve(report, entry[figure]) for name, entry in report["methods"].items()})
        for title, figure in zip(TITLES, FIGURES, strict=True)
    ]
    title = f"Faithfulness of explanations, {report['documents']} documents"
    return line_chart(title, panels, "% of the words", dashed=BASELINES)


def _curve(report: Mapping[str, Any], estimates: list[Mapping[str, float]]) -> Curve:
    return [
        (100 * budget, e["mean"], e["low"], e["high"])
        for budget, e in zip(report["budgets"], estimates, strict=True)
    ]
