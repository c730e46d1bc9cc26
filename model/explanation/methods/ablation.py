"""A sparse linear model of what random removals do (ContextCite, Cohen-Wang et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.explanation.correlation import spearman
from model.explanation.document import Document, Units, count, keep_masks
from model.explanation.methods.removal import log_prob
from model.explanation.scorer import Floats, Scorer

REMOVALS = 64
FOLDS = 4
PENALTY = 0.02
"""Of the lasso, in standard deviations of the log-probability."""

SWEEPS = 200
SETTLED = 1e-10
"""Rounds of coordinate descent, at most, and the largest step that ends them before."""


@dataclass(frozen=True)
class Ablation:
    """Nats (U,) that a unit adds, and how well the linear model foretells removals it never saw.

    `held_out_fit` is Spearman's correlation of predicted and true log-probability over all
    removals, each predicted by a fit without it: the linear datamodeling score. NaN where all
    removals come to the same.
    """

    scores: Floats
    held_out_fit: float


def ablation(
    scorer: Scorer,
    document: Document,
    units: Units,
    target: Floats | None = None,
    *,
    removals: int = REMOVALS,
    seed: int = 0,
) -> Ablation:
    """Hides each unit with probability 1/2, `removals` times, and fits a lasso.

    Args:
        scorer: The model.
        document: The text and its summary.
        units: Usually `document.sentences`: removals must outnumber units by far.
        target: (T,), how much each summary token counts; by default all the same.
        removals: Scores, all in one batch; at least `FOLDS`.
        seed: Of the removals.
    """
    rng = np.random.default_rng(seed)
    kept = rng.random((removals, count(units))) < 0.5
    found = log_prob(scorer, document, keep_masks(units, kept), target)
    folds = np.arange(removals) % FOLDS
    predicted = np.empty(removals)
    for fold in range(FOLDS):
        slopes, intercept = lasso(kept[folds != fold], found[folds != fold])
        predicted[folds == fold] = kept[folds == fold] @ slopes + intercept
    return Ablation(lasso(kept, found)[0], spearman(predicted, found))


def lasso(kept: NDArray[np.bool_], found: Floats) -> tuple[Floats, float]:
    """Slopes (U,) and intercept of a least-squares fit with an L1 penalty on standardised units.

    Coordinate descent (Friedman et al. 2010). A unit that is always or never kept has slope 0.
    """
    features = kept.astype(np.float64)
    centre, spread = features.mean(axis=0), features.std(axis=0)
    scale = found.std()
    varied = np.flatnonzero(spread > 0)
    slopes = np.zeros(kept.shape[1])
    if scale > 0:
        columns = (features - centre)[:, varied] / spread[varied]
        weights = _descend(columns, (found - found.mean()) / scale)
        slopes[varied] = weights * scale / spread[varied]
    return slopes, float(found.mean() - centre @ slopes)


def _descend(columns: Floats, goal: Floats) -> Floats:
    """Weights of standardised columns (N, U) for a standardised goal (N,)."""
    weights, residual = np.zeros(columns.shape[1]), goal.copy()
    for _ in range(SWEEPS):
        before = weights.copy()
        for i, column in enumerate(columns.T):
            pull = weights[i] + column @ residual / len(goal)
            new = np.sign(pull) * max(abs(pull) - PENALTY, 0.0)
            residual -= (new - weights[i]) * column
            weights[i] = new
        if np.abs(weights - before).max(initial=0.0) <= SETTLED:
            break
    return weights
