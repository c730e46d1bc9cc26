"""Rankings of words that know nothing of the model, or nothing of the text: what to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.explanation.document import Document, count
from model.explanation.scorer import Floats


def random_words(document: Document, seed: int) -> Floats:
    """(W,), any order."""
    return np.random.default_rng(seed).random(count(document.words))


def lead(document: Document) -> Floats:
    """(W,), the first word first."""
    return -np.arange(count(document.words), dtype=np.float64)


def word_overlap(document: Document) -> Floats:
    """(W,), 1 where the summary has the word too, whatever its case; the first of them first."""
    return document.overlap.astype(np.float64)


def position_alone(attentions: Sequence[Floats]) -> list[Floats]:
    """For each document the attention (S,) that the OTHER documents give to its positions.

    An attention that scores no better than this looks at places, not at words. A position that no
    other document reaches has 0.

    Args:
        attentions: (S,) of each document, S as it is there.
    """
    longest = max(map(len, attentions))
    total, documents = np.zeros(longest), np.zeros(longest)
    for weights in attentions:
        total[: len(weights)] += weights
        documents[: len(weights)] += 1
    return [
        (total[: len(own)] - own) / np.maximum(documents[: len(own)] - 1, 1) for own in attentions
    ]
