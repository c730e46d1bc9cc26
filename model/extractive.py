"""Scores of sentences that need no training, and the choice of key sentences from any scores.

Knows neither TensorFlow nor Keras.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

DAMPING = 0.85
"""TextRank's probability of walking on to a similar sentence, not to a random one."""

DIVERSITY = 0.5
"""Of `select`, chosen with TextRank's scores on 1,858 training releases: every step up to 0.5
raised ROUGE-1 and -2 of both sources; beyond it the scores hardly count any more."""

POWER_ITERATIONS = 100
TOLERANCE = 1e-9

_WORD = re.compile(r"\w+")

SentenceScores = NDArray[np.float64]
"""(N,): one for each sentence, more is better."""


@dataclass(frozen=True)
class KeySentence:
    """A chosen sentence: its index, from 0, and the score that it was given."""

    index: int
    score: float


def position_scores(num_sentences: int) -> SentenceScores:
    """The earlier the better: the lead, or what comes next where the lead is hidden."""
    return -np.arange(num_sentences, dtype=np.float64)


def random_scores(num_sentences: int, rng: np.random.Generator) -> SentenceScores:
    """Chance."""
    return rng.random(num_sentences)


def textrank(sentences: Sequence[str]) -> SentenceScores:
    """How central each sentence is, by TextRank (Mihalcea & Tarau 2004); they add up to 1.

    Two sentences are as similar as the cosine of their TF-IDF vectors, which is LexRank's measure
    (Erkan & Radev 2004). The matrix of similarities is never formed: one step costs as much as
    there are words.
    """
    count = len(sentences)
    rows, columns, values = _tfidf(sentences)
    num_words = int(columns.max(initial=-1)) + 1

    def to_others(weights: SentenceScores) -> SentenceScores:
        by_word = np.bincount(columns, values * weights[rows], num_words)
        by_sentence = np.bincount(rows, values * by_word[columns], count)
        return np.maximum(by_sentence - own * weights, 0.0)

    own = np.bincount(rows, values**2, count)  # 1, or 0 without a word
    similar = to_others(np.ones(count))
    rank = np.full(count, 1 / max(count, 1))
    for _ in range(POWER_ITERATIONS):
        share = np.divide(rank, similar, out=np.zeros(count), where=similar > 0)
        walked = to_others(share)
        new = (1 - DAMPING * walked.sum()) / count + DAMPING * walked if count else walked
        if np.abs(new - rank).sum() < TOLERANCE:
            return new
        rank = new
    return rank


def copy_mass(
    token_weights: ArrayLike, sentence_ids: ArrayLike, num_sentences: int
) -> SentenceScores:
    """The attention that a summary paid to each sentence, where attention copies.

    Args:
        token_weights: (S,) of one word or added up over a summary, or (T, S).
        sentence_ids: (S,) numbers from 1, 0 for tokens of no sentence.
        num_sentences: N.
    """
    weights = np.atleast_2d(np.asarray(token_weights, np.float64)).sum(axis=0)  # (S,)
    ids = np.asarray(sentence_ids, np.int64)
    return np.bincount(ids, weights, num_sentences + 1)[1:].astype(np.float64)


def select(
    scores: ArrayLike, sentences: Sequence[str], count: int, diversity: float = DIVERSITY
) -> list[KeySentence]:
    """The best sentences that don't repeat each other, in the text's order.

    Maximal marginal relevance (Carbonell & Goldstein 1998): one by one, the sentence with the
    largest (1 - diversity) x relevance - diversity x redundancy. Relevance is the score, moved to
    0 to 1 within this text. Redundancy is the largest share of words, of all the words of both,
    that it has in common with a sentence already chosen. Of equals the first is chosen.

    Args:
        scores: (N,) finite numbers, more is better.
        sentences: The sentences.
        count: How many are wanted; all come if there are no more.
        diversity: From 0, the scores alone, to 1.

    Raises:
        ValueError: an argument is out of its bounds.
    """
    given = np.asarray(scores, np.float64)
    _check(given, len(sentences), count, diversity)
    relevance = _scaled(given)
    redundancy = np.zeros(len(given))
    words = [_words(sentence) for sentence in sentences] if diversity else []
    left = np.ones(len(given), bool)
    for _ in range(min(count, len(given))):
        gains = (1 - diversity) * relevance - diversity * redundancy
        best = int(np.argmax(np.where(left, gains, -np.inf)))
        left[best] = False
        if diversity:
            overlap = [_jaccard(words[best], other) for other in words]
            redundancy = np.maximum(redundancy, overlap)
    return [KeySentence(int(index), float(given[index])) for index in np.flatnonzero(~left)]


def _check(scores: SentenceScores, num_sentences: int, count: int, diversity: float) -> None:
    if scores.shape != (num_sentences,):
        raise ValueError(f"{num_sentences} sentences need as many scores, got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("scores of sentences must be finite")
    if count < 0:
        raise ValueError(f"the number of key sentences must not be negative, got {count}")
    if not 0 <= diversity <= 1:
        raise ValueError(f"diversity must be from 0 to 1, got {diversity}")


def _scaled(scores: SentenceScores) -> SentenceScores:
    spread = np.ptp(scores) if len(scores) else 0.0
    return (scores - scores.min()) / spread if spread > 0 else np.zeros(len(scores))


def _words(sentence: str) -> frozenset[str]:
    return frozenset(_WORD.findall(sentence.casefold()))


def _jaccard(ours: frozenset[str], theirs: frozenset[str]) -> float:
    shared = len(ours & theirs)
    return shared / (len(ours) + len(theirs) - shared) if shared else 0.0


def _tfidf(sentences: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], SentenceScores]:
    """A sparse matrix of unit rows: sentence, word and weight of each of its entries."""
    counts = [Counter(_WORD.findall(sentence.casefold())) for sentence in sentences]
    numbers: dict[str, int] = {}
    entries = [
        (row, numbers.setdefault(word, len(numbers)), times)
        for row, words in enumerate(counts)
        for word, times in words.items()
    ]
    rows, columns, times = np.array(entries, np.int64).reshape(-1, 3).T
    used_in = np.bincount(columns, minlength=len(numbers))
    values = times * np.log1p(len(sentences) / used_in)[columns]
    norms = np.sqrt(np.bincount(rows, values**2, len(sentences)))
    return rows, columns, values / norms[rows]
