"""Learning curves of a job, from its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from model.line_chart import Curve, line_chart

FILE_NAME = "learning_curves.svg"


def learning_curves(rows: Sequence[dict[str, Any]]) -> str:
    """Loss over steps, and ROUGE-L over steps for every validation set; "" without two points."""
    losses: dict[str, Curve] = {
        "training": [(row["step"], row["loss"]) for row in rows if "loss" in row]
    }
    losses |= {f"validation, {name}": curve for name, curve in _validation(rows, "loss").items()}
    panels = [("loss, nats per token", losses), ("ROUGE-L F1", _validation(rows, "rougeL"))]
    return line_chart("Learning curves", panels, "step")


def _validation(rows: Sequence[dict[str, Any]], name: str) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    for row in rows:
        for origin, numbers in row.get("validation", {}).items():
            curves.setdefault(origin, []).append((row["step"], numbers[name]))
    return curves
