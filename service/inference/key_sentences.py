"""The sentences of a text that say most, from the logits that the model gives to all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.extractive import select
from model.tokenizer import Span
from service.errors import NonFiniteOutput
from service.inference.reading import Logits
from service.predictor import KeySentence

NO_SENTENCE = -1e9
"""The logit of a sentence of which the model saw no token."""


def padded_logits(row: NDArray[np.floating], num_sentences: int) -> Logits:
    """A row of the model's output as one logit a sentence.

    The row is as long as the largest number among the tokens of its call: longer where another
    text has more sentences, shorter where no token begins in the last ones.
    """
    logits = np.full(num_sentences, NO_SENTENCE)
    found = row[:num_sentences]
    logits[: len(found)] = found
    return logits


def key_sentences(
    text: str, sentences: Sequence[Span], logits: Logits, count: int
) -> list[KeySentence]:
    """The best sentences that don't repeat each other, in the text's order.

    Their scores are shares: the softmax of the logits of all sentences, which adds up to 1 over
    the text. Sentences without a logit are no candidates.

    Args:
        text: What the spans point into.
        sentences: Of the whole text.
        logits: One for each.
        count: How many are wanted.

    Raises:
        NonFiniteOutput: a logit is NaN or infinite.
    """
    if not np.isfinite(logits).all():
        raise NonFiniteOutput()
    seen = np.flatnonzero(logits > NO_SENTENCE / 2)
    if not count or not len(seen):
        return []
    scored = logits[seen]
    shares = np.exp(scored - scored.max())
    shares /= shares.sum()
    spans = [sentences[index] for index in seen.tolist()]
    chosen = select(scored, [text[start:end] for start, end in spans], count)
    return [
        KeySentence(span=spans[found.index], score=float(shares[found.index])) for found in chosen
    ]
