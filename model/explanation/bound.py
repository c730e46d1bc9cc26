"""How much any order of words could explain, by greedy search (Edin et al. 2025).

Figures of erasure depend on the text and the model as much as on the explanation. Between the
greedy best and worst order they become comparable.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from model.explanation.document import Document, keep_masks
from model.explanation.methods.removal import without_each
from model.explanation.metrics import BUDGETS, Order, budget_size
from model.explanation.scorer import Floats, Mask, Scorer, log_probs


class Bounds(NamedTuple):
    """Orders (W,) that hide first what the summary needs most, or least."""

    most: Order
    least: Order


def greedy_bounds(
    scorer: Scorer, document: Document, without_each_word: Floats | None = None
) -> Bounds:
    """Greedy in stages: at each budget every word that is left is tried anew, given what is hidden.

    A search word by word would take W squared / 2 scores; this takes at most 7 W. It can miss the
    best order, so that an explanation may come out above 1.

    Args:
        scorer: The model.
        document: The text and its summary.
        without_each_word: What `without_each` returned for its words, if that was asked for.
    """
    if without_each_word is None:
        without_each_word = without_each(scorer, document, document.words)
    first = _harm(without_each_word[1:])
    return Bounds(
        _greedy(scorer, document, first, direction=1.0),
        _greedy(scorer, document, first, direction=-1.0),
    )


def _greedy(scorer: Scorer, document: Document, losses: Floats, direction: float) -> Order:
    words = len(losses)
    hidden = np.zeros(words, np.bool_)
    order: list[int] = []
    for budget in BUDGETS:
        if order and not hidden.all():
            losses = _losses(scorer, document, hidden)
        left = np.flatnonzero(~hidden)
        left = left[np.argsort(-direction * losses[left], kind="stable")]
        taken = left[: budget_size(budget, words) - len(order)]
        order += taken.tolist()
        hidden[taken] = True
    rest = left[len(taken) :]
    return np.array([*order, *rest.tolist()], np.int64)


def _losses(scorer: Scorer, document: Document, hidden: Mask) -> Floats:
    """(W,): mean probability a token, negated, with each word hidden beside `hidden`."""
    left = np.flatnonzero(~hidden)
    kept = np.tile(~hidden, (len(left), 1))
    kept[np.arange(len(left)), left] = False
    masks = keep_masks(document.words, kept)
    found = log_probs(scorer, document.source_ids, masks, document.summary_ids)
    losses = np.full(len(hidden), -np.inf)
    losses[left] = _harm(found)
    return losses


def _harm(found: Floats) -> Floats:
    """(N,): the mean probability a token, negated."""
    harm: Floats = -np.exp(found).mean(axis=1)
    return harm
