"""How far a model's own probability tells good summaries from bad ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COVERAGES = (100, 90, 80, 70, 60, 50, 40, 30, 20, 10)
"""Shares of summaries, in percent, that a user keeps who drops the least certain first."""

Scores = NDArray[np.float64]


def risk_coverage(confidence: Scores, quality: Scores) -> dict[int, float]:
    """The mean quality of the most certain summaries, by coverage in percent.

    The risk-coverage curve of El-Yaniv & Wiener 2010, its risk turned round: a curve that does
    not rise as coverage falls means that confidence says nothing.

    Args:
        confidence: (N,), larger is surer.
        quality: (N,), larger is better.

    Raises:
        ValueError: there is nothing to rank.
    """
    if not len(confidence):
        raise ValueError("a risk-coverage curve needs at least one summary")
    best_first = quality[np.argsort(-confidence, kind="stable")]
    kept = [max(1, round(len(confidence) * share / 100)) for share in COVERAGES]
    return {
        share: float(best_first[:count].mean())
        for share, count in zip(COVERAGES, kept, strict=True)
    }


def no_better_than(confidence: Scores, quality: Scores, baseline: Scores) -> float | None:
    """The confidence below which summaries are on average no better than a baseline.

    Args:
        confidence: (N,), larger is surer.
        quality: (N,), of the summaries.
        baseline: (N,), of what the same texts get without the model.

    Returns:
        The largest confidence such that the summaries up to it are, taken together, no better
        than the baseline; None where even the least certain are better.
    """
    order = np.argsort(confidence, kind="stable")
    gained = np.cumsum((quality - baseline)[order])
    worse = np.flatnonzero(gained <= 0)
    return float(confidence[order][worse[-1]]) if len(worse) else None


def curve_table(curve: dict[int, float], flagged: Sequence[bool], threshold: float | None) -> str:
    """Markdown: the curve, and how many summaries `low_confidence` would mark."""
    shares = " | ".join(f"{share} %" for share in curve)
    means = " | ".join(f"{mean:.1f}" for mean in curve.values())
    rule = " | ".join("---" for _ in curve)
    limit = (
        "No threshold: even the least certain summaries are better than the best lead."
        if threshold is None
        else f"Below {threshold:.3f} nats a token, where summaries are on average no better than "
        f"the best lead, `low_confidence` is set: {sum(flagged)} of {len(flagged)}."
    )
    return (
        f"| most certain summaries kept | {shares} |\n| --- | {rule} |\n"
        f"| mean ROUGE-L | {means} |\n\n{limit}"
    )
