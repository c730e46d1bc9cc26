"""All figures of all methods on many documents, through one `Scorer` a style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model.explanation.bound import Bounds, greedy_bounds
from model.explanation.correlation import kendall_tau
from model.explanation.document import Document, all_kept, by_unit, count
from model.explanation.methods.ablation import REMOVALS, ablation
from model.explanation.methods.attention import attention
from model.explanation.methods.baselines import lead, position_alone, random_words, word_overlap
from model.explanation.methods.copy_split import copy_split
from model.explanation.methods.removal import (
    in_top_sentences,
    leave_one_out,
    losses,
    source_reliance,
    without_each,
)
from model.explanation.metrics import BUDGETS, Erasure, copied_at_peak, erase, ranking
from model.explanation.sanity import ScorerOf, UniformCopy, attention_use
from model.explanation.scorer import Floats, Scorer, Scores
from model.tokenizer import EOS_ID

METHODS = ("attention", "copy_split", "leave_one_out", "ablation")
BASELINES = ("random", "lead", "position", "overlap")
RANDOM_ORDERS = 5


class Scored(NamedTuple):
    """What one explanation says of a document's words (W,) and sentences (N,)."""

    words: Floats
    sentences: Floats


@dataclass(frozen=True)
class Figures:
    """One document; by method and by baseline where it says so."""

    erasures: dict[str, Erasure]
    best: Erasure  # of the greedy bounds
    worst: Erasure
    word_tau: dict[str, float]  # with leave-one-out of every word
    sentence_tau: dict[str, float]  # with leave-one-out of every sentence
    split_error: float
    at_peak: int
    copied: int
    attention_use: float  # nats a token
    source_reliance: float  # nats a token
    held_out_fit: float


def scores_needed(documents: Sequence[Document]) -> int:
    """About how many scores, rows of batches, `measure` asks for."""
    orders = len(METHODS) + len(BASELINES) - 1 + RANDOM_ORDERS + len(Bounds._fields)
    # The whole text four times and no text once; every word alone and in the bounds' later stages.
    fixed = 7 + REMOVALS + orders * 2 * len(BUDGETS)
    return sum(fixed + 7 * count(d.words) + count(d.sentences) for d in documents)


def measure(
    scorer_of: ScorerOf,
    documents: Sequence[Document],
    progress: Callable[[int], None] = lambda _: None,
    threads: int = 1,
) -> list[Figures]:
    """The figures of every document.

    Args:
        scorer_of: The model.
        documents: At least two, since each one's positions are judged by the others.
        progress: Told how many documents are done.
        threads: Documents at a time, where the model can be asked by several.
    """

    def one(document: Document, positions: Floats) -> Figures:
        return measure_document(scorer_of(document.style), document, positions)

    found = []
    with ThreadPoolExecutor(threads) as executor:
        attentions = executor.map(lambda d: _attention(_whole(scorer_of(d.style), d)), documents)
        for figures in executor.map(one, documents, position_alone([*attentions])):
            found.append(figures)
            progress(len(found))
    return found


def measure_document(scorer: Scorer, document: Document, positions: Floats) -> Figures:
    """The figures of one document; `positions` (S,) is its entry of `position_alone`."""
    whole = _whole(scorer, document)
    split = copy_split(whole, document.source_ids, document.summary_ids)
    fitted = ablation(scorer, document, document.sentences)
    sentence_losses = leave_one_out(scorer, document, document.sentences)
    without_words = without_each(scorer, document, document.words)
    word_losses = losses(without_words)
    explanations = {
        "attention": [_from_tokens(document, _attention(whole))],
        "copy_split": [_from_tokens(document, split.copied.sum(axis=0))],
        "leave_one_out": [_of_top_sentences(document, word_losses, sentence_losses)],
        "ablation": [Scored(fitted.scores[document.sentence_of_word], fitted.scores)],
        "random": [_random(document, seed) for seed in range(RANDOM_ORDERS)],
        "lead": [Scored(lead(document), -np.arange(float(count(document.sentences))))],
        "position": [_from_tokens(document, positions)],
        "overlap": [_overlap(document)],
    }
    orders = {n: [ranking(e.words) for e in found] for n, found in explanations.items()}
    bounds = greedy_bounds(scorer, document, without_words)
    flat = erase(scorer, document, [*bounds, *(o for found in orders.values() for o in found)])
    best, worst, *rest = flat
    at_peak, copied = copied_at_peak(whole, document.source_ids, document.summary_ids, EOS_ID)
    even = _whole(UniformCopy(scorer), document)
    return Figures(
        erasures={n: np.mean([rest.pop(0) for _ in o], axis=0) for n, o in orders.items()},
        best=best,
        worst=worst,
        word_tau={
            n: _mean([kendall_tau(e.words, word_losses) for e in found])
            for n, found in explanations.items()
        },
        sentence_tau={
            n: _mean([kendall_tau(e.sentences, sentence_losses) for e in found])
            for n, found in explanations.items()
        },
        split_error=split.error,
        at_peak=at_peak,
        copied=copied,
        attention_use=attention_use(whole, even),
        source_reliance=float(source_reliance(scorer, document).mean()),
        held_out_fit=fitted.held_out_fit,
    )


def _whole(scorer: Scorer, document: Document) -> Scores:
    return scorer.score(document.source_ids, all_kept(document), document.summary_ids)


def _attention(whole: Scores) -> Floats:
    weights = whole.attention_weights[0]
    return attention(weights, np.ones(len(weights)))


def _from_tokens(document: Document, tokens: Floats) -> Scored:
    return Scored(by_unit(tokens, document.words), by_unit(tokens, document.sentences))


def _of_top_sentences(document: Document, words: Floats, sentences: Floats) -> Scored:
    """What `leave_one_out_by_word` says, from the losses of all words."""
    return Scored(np.where(in_top_sentences(document, sentences), words, np.nan), sentences)


def _random(document: Document, seed: int) -> Scored:
    words = random_words(document, seed)
    sentences = np.random.default_rng((seed, 1)).random(count(document.sentences))
    return Scored(words, sentences)


def _overlap(document: Document) -> Scored:
    words = word_overlap(document)
    return Scored(words, by_unit(words, document.sentence_of_word))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
