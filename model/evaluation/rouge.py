"""ROUGE-1, -2 and -L F1 through `rouge-score`, stemmed, and paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rouge_score.rouge_scorer import RougeScorer

METRICS = ("rouge1", "rouge2", "rougeL")
RESAMPLES = 2000

Scores = NDArray[np.float64]
"""(documents, 3): the F1 of each document in `METRICS`, from 0 to 100."""


def rouge(summaries: Sequence[str], references: Sequence[str]) -> Scores:
    """Scores each summary against its reference."""
    scorer = RougeScorer(list(METRICS), use_stemmer=True)
    rows = []
    for summary, reference in zip(summaries, references, strict=True):
        scores = scorer.score(reference, summary)
        rows.append([100.0 * scores[metric].fmeasure for metric in METRICS])
    return np.array(rows, np.float64).reshape(-1, len(METRICS))


def paired_interval(ours: Scores, theirs: Scores, seed: int = 0) -> tuple[Scores, Scores]:
    """The 95 % interval of the mean difference by metric, documents drawn with replacement."""
    difference = ours - theirs  # (documents, 3)
    rng = np.random.default_rng(seed)
    means = [
        difference[rng.integers(0, len(difference), len(difference))].mean(axis=0)
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high
