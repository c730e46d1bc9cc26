"""Labels for key sentences without a human: which ones say again what the lead said.

A release tells its news in its first sentences and again below. So the first two are hidden, and
the sentences that together cover them best are the key sentences of the rest. Both halves of the
idea are known: sentences that are hidden and stand for a summary (Zhang et al. 2020, PEGASUS), and
greedy labels for extraction (Nallapati et al. 2017, SummaRuNNer). Knows no TensorFlow or Keras.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

HIDDEN = 2
"""Sentences of the lead that are hidden."""

CHOSEN = 3
"""The most sentences that are labelled, and the fewest that must be left to choose from."""

_WORD = re.compile(r"[a-z0-9]+")


def lead_oracle(sentences: Sequence[str]) -> list[int]:
    """The sentences that best cover the hidden lead, chosen one by one; in the text's order.

    The measure is ROUGE-1 plus ROUGE-2, F1, of the chosen sentences against the hidden ones, by
    lower-case words of `[a-z0-9]`, unstemmed, and without pairs across two sentences: a close
    stand-in for `rouge-score` that labels 30,000 texts in a minute or two. It ends when no
    sentence raises the measure.

    Returns:
        Indices into `sentences`, each at least `HIDDEN`; none if there are fewer than
        `HIDDEN + CHOSEN` sentences, or if none shares a word with the lead.
    """
    if len(sentences) < HIDDEN + CHOSEN:
        return []
    words = [_WORD.findall(sentence.lower()) for sentence in sentences]
    measures = [_Overlap(words), _Overlap([list(pairwise(row)) for row in words])]
    chosen: list[int] = []
    best = 0.0
    while len(chosen) < CHOSEN:
        left = [i for i in range(HIDDEN, len(sentences)) if i not in chosen]
        scores = [sum(measure.f1([*chosen, i]) for measure in measures) for i in left]
        if max(scores) <= best:
            break
        best = max(scores)
        chosen.append(left[scores.index(best)])
    return sorted(chosen)


class _Overlap:
    """F1 of n-grams between chosen sentences and the hidden lead."""

    def __init__(self, rows: Sequence[Iterable[object]]) -> None:
        counts = [Counter(row) for row in rows]
        self._reference = sum(counts[:HIDDEN], Counter[object]())
        self._shared = [
            {ngram: count for ngram, count in row.items() if ngram in self._reference}
            for row in counts
        ]
        self._totals = [row.total() for row in counts]

    def f1(self, chosen: Sequence[int]) -> float:
        """From 0 to 1; what the chosen sentences repeat counts no more than the lead has it."""
        covered: Counter[object] = Counter()
        for index in chosen:
            covered.update(self._shared[index])
        overlap = sum(min(count, self._reference[ngram]) for ngram, count in covered.items())
        total = self._reference.total() + sum(self._totals[index] for index in chosen)
        return 2 * overlap / total if total else 0.0
