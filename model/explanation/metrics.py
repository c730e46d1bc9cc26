"""How much of a summary's probability an order of words explains, by erasure (DeYoung et al. 2020).

The summary stays as the model wrote it; words are hidden through the keep mask, in the order that
an explanation gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.explanation.document import Document, all_kept, keep_masks
from model.explanation.scorer import Floats, Mask, Scorer, Scores, log_probs

BUDGETS = (0.05, 0.10, 0.20, 0.50)
"""Shares of the words that are hidden, or that alone are kept."""

COMPREHENSIVENESS, SUFFICIENCY, REMOVED_NATS, KEPT_NATS = range(4)
FIGURES = ("comprehensiveness", "sufficiency", "removed_nats", "kept_nats")
"""The rows of an erasure. The first two are mean probability a token lost, the others are mean
nats a token lost; each without the top words, then with nothing else."""

Order = NDArray[np.int64]
"""(W,): the words, the most important first."""

Erasure = Floats
"""(4, K): `FIGURES` at each of the K `BUDGETS`."""


def ranking(scores: Floats) -> Order:
    """The order of words (W,): ties in the order of the text, words without a score last."""
    return np.argsort(-scores, kind="stable")


def budget_size(budget: float, words: int) -> int:
    """How many words a budget is: rounded, at least 1."""
    return max(1, round(budget * words))


def erasure_masks(order: Order) -> Mask:
    """(2K, W): the top words hidden at each budget, then all other words hidden."""
    place = np.argsort(order)
    top = np.array([place < budget_size(budget, len(order)) for budget in BUDGETS])
    return np.concatenate([~top, top])


class Erased(NamedTuple):
    """Log-probabilities of a summary with nothing hidden, and under the masks of some orders."""

    full: Floats  # (T,)
    masked: Floats  # (orders, 2K, T), by `erasure_masks`

    def figures(self, tokens: Mask | None = None) -> list[Erasure]:
        """What each order explains of all tokens, or of those of a mask (T,); NaN of none."""
        if tokens is None:
            tokens = np.ones(len(self.full), np.bool_)
        if not tokens.any():
            return [np.full((len(FIGURES), len(BUDGETS)), np.nan) for _ in self.masked]
        return [erasure(self.full[tokens], block[:, tokens]) for block in self.masked]


def erase(scorer: Scorer, document: Document, orders: Sequence[Order]) -> Erased:
    """Hides and shows by each order of words, all in one batch of 1 + 2K scores an order."""
    masks = [keep_masks(document.words, erasure_masks(order)) for order in orders]
    batch = np.concatenate([all_kept(document), *masks])
    found = log_probs(scorer, document.source_ids, batch, document.summary_ids)
    return Erased(found[0], found[1:].reshape(len(orders), 2 * len(BUDGETS), -1))


def erasure(full: Floats, masked: Floats) -> Erasure:
    """The figures from log-probabilities: (T,) of the whole text, (2K, T) of `erasure_masks`."""
    probability = (np.exp(full) - np.exp(masked)).mean(axis=1)
    nats = (full - masked).mean(axis=1)
    return np.concatenate([probability, nats]).reshape(len(FIGURES), len(BUDGETS))


def areas(figures: Erasure) -> Floats:
    """The mean (4,) over the budgets: the area over the perturbation curve."""
    mean: Floats = figures.mean(axis=1)
    return mean


def is_copied(scores: Scores) -> Mask:
    """(T,): whether each token was rather copied than generated."""
    copied: Mask = scores.copied_prob[0] > scores.generated_prob[0]
    return copied


def copied_at_peak(scores: Scores, source_ids: NDArray[np.int32], summary_ids: NDArray[np.int32],
                   eos_id: int) -> tuple[int, int]:  # fmt: skip
    """Of the tokens that were copied rather than generated: how many are the token at the peak.

    Returns:
        How many equal the source token that their row of attention is highest on, and how many
        were copied. `<eos>` is left out.
    """
    copied = is_copied(scores) & (summary_ids != eos_id)
    at_peak = source_ids[scores.attention_weights[0].argmax(axis=1)] == summary_ids
    return int((copied & at_peak).sum()), int(copied.sum())
