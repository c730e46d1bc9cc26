"""Rank correlations; SciPy is not among the requirements for two formulas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.explanation.scorer import Floats


def kendall_tau(first: Floats, second: Floats) -> float:
    """Kendall's tau-b of two lists (U,), ties accounted for; NaN where one is all ties.

    Entries that are NaN in either are left out. Time and memory grow with U squared.
    """
    known = ~(np.isnan(first) | np.isnan(second))
    upper = np.triu_indices(int(known.sum()), 1)
    a = np.sign(np.subtract.outer(first[known], first[known]))[upper]
    b = np.sign(np.subtract.outer(second[known], second[known]))[upper]
    pairs = np.sqrt(np.count_nonzero(a) * np.count_nonzero(b))
    return float(a @ b / pairs) if pairs else float("nan")


def auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """How often a positive (U,) scores above one that is not, ties half; NaN without either."""
    above = np.sign(np.subtract.outer(scores[positive], scores[~positive]))
    return float((above.mean() + 1) / 2) if above.size else float("nan")


def spearman(first: Floats, second: Floats) -> float:
    """Spearman's rho of two lists (U,), tied ranks averaged; NaN where one is all ties."""
    a, b = _ranks(first), _ranks(second)
    a, b = a - a.mean(), b - b.mean()
    spread = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / spread) if spread else float("nan")


def _ranks(values: Floats) -> Floats:
    _, inverse, repeats = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(repeats)
    ranks: Floats = (last - (repeats - 1) / 2)[inverse]
    return ranks
