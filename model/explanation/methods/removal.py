"""What the summary loses with a part of the text: one score for each part that is hidden."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.explanation.document import Document, Units, all_kept, count, keep_masks
from model.explanation.scorer import Floats, Mask, Scorer, log_probs

TOP_SENTENCES = 3
"""Sentences whose words are hidden one by one."""


def leave_one_out(
    scorer: Scorer, document: Document, units: Units, target: Floats | None = None
) -> Floats:
    """The nats (U,) that the summary loses with each unit; U + 1 scores in one batch.

    Args:
        scorer: The model.
        document: The text and its summary.
        units: `document.words` or `document.sentences`.
        target: (T,), how much each summary token counts; by default all the same.
    """
    return losses(without_each(scorer, document, units), target)


def without_each(scorer: Scorer, document: Document, units: Units) -> Floats:
    """The log-probabilities (U + 1, T) of the whole text, and without each unit."""
    kept = ~np.eye(count(units), dtype=np.bool_)
    masks = np.concatenate([all_kept(document), keep_masks(units, kept)])
    return log_probs(scorer, document.source_ids, masks, document.summary_ids)


def losses(without: Floats, target: Floats | None = None) -> Floats:
    """The nats (U,) lost, from what `without_each` returns."""
    found = _summed(without, target)
    lost: Floats = found[0] - found[1:]
    return lost


def leave_one_out_by_word(
    scorer: Scorer,
    document: Document,
    top: int = TOP_SENTENCES,
    target: Floats | None = None,
    by_sentence: Floats | None = None,
) -> Floats:
    """The nats (W,) lost with each word of the sentences that matter most; NaN for other words.

    Sentences are hidden first, so the cost is their number and the words of `top` of them.

    Args:
        scorer: The model.
        document: The text and its summary.
        top: How many sentences.
        target: (T,), how much each summary token counts; by default all the same.
        by_sentence: The losses of the sentences, where they are known already.
    """
    if by_sentence is None:
        by_sentence = leave_one_out(scorer, document, document.sentences, target)
    asked = np.flatnonzero(in_top_sentences(document, by_sentence, top))
    kept = np.ones((len(asked), count(document.words)), np.bool_)
    kept[np.arange(len(asked)), asked] = False
    masks = np.concatenate([all_kept(document), keep_masks(document.words, kept)])
    found = log_prob(scorer, document, masks, target)
    scores = np.full(count(document.words), np.nan)
    scores[asked] = found[0] - found[1:]
    return scores


def in_top_sentences(
    document: Document, by_sentence: Floats, top: int = TOP_SENTENCES
) -> NDArray[np.bool_]:
    """(W,): whether a word begins in one of the `top` sentences with the largest losses."""
    chosen = np.argsort(-by_sentence, kind="stable")[:top]
    return np.isin(document.sentence_of_word, chosen)


def source_reliance(scorer: Scorer, document: Document) -> Floats:
    """The nats (T,) that each summary token loses with the whole text; 2 scores.

    Near 0: the model would have written the token after these words of the summary anyway.
    """
    nothing = keep_masks(document.words, np.zeros((1, count(document.words)), np.bool_))
    masks = np.concatenate([all_kept(document), nothing])
    with_text, without = log_probs(scorer, document.source_ids, masks, document.summary_ids)
    lost: Floats = with_text - without
    return lost


def log_prob(scorer: Scorer, document: Document, masks: Mask, target: Floats | None) -> Floats:
    """The summary's log-probability (N,) in nats under each mask, summed over what is asked."""
    found = log_probs(scorer, document.source_ids, masks, document.summary_ids)
    return _summed(found, target)


def _summed(found: Floats, target: Floats | None) -> Floats:
    total: Floats = found.sum(axis=1) if target is None else found @ target
    return total
