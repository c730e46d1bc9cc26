"""All figures of all methods on many documents, through one `Scorer` a style."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from model.explanation.bound import Bounds, greedy_bounds
from model.explanation.correlation import auc, kendall_tau
from model.explanation.document import Document, all_kept, count
from model.explanation.methods.ablation import REMOVALS
from model.explanation.methods.baselines import position_alone
from model.explanation.methods.removal import source_reliance
from model.explanation.metrics import (
    BUDGETS,
    COMPREHENSIVENESS,
    Erased,
    Erasure,
    copied_at_peak,
    erase,
    is_copied,
    ranking,
)
from model.explanation.rankings import (
    BASELINES,
    METHODS,
    RANDOM_ORDERS,
    Ranked,
    ask,
    mean_attention,
    rankings,
)
from model.explanation.sanity import ScorerOf, UniformCopy, attention_use
from model.explanation.scorer import Floats, Mask, Scorer, Scores
from model.tokenizer import EOS_ID

KINDS = ("copied", "generated")
"""Of summary tokens: which of the two they rather were."""


@dataclass(frozen=True)
class Figures:
    """One document; by method and by baseline where it says so."""

    words: int
    erasures: dict[str, Erasure]
    by_kind: dict[str, Floats]  # (2, K), comprehensiveness for the tokens of each of `KINDS`
    best: Erasure  # of the greedy bounds
    worst: Erasure
    word_tau: dict[str, float]  # with leave-one-out of every word
    sentence_tau: dict[str, float]  # with leave-one-out of every sentence
    split_error: float
    at_peak: int
    copied: int
    attention_use: float  # nats a token
    source_reliance: float  # nats a token
    reliance_tau: float  # of the tokens' reliance on the source with their copied share
    reliance_auc: float  # how often a copied token relies more on it than a generated one
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
    *,
    first: int = 0,
    threads: int = 1,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[Figures]:
    """The figures of one document after the other.

    Args:
        scorer_of: The model.
        documents: At least two, since each one's positions are judged by all others.
        first: Documents that are passed over.
        threads: Documents at a time, where the model can be asked by several.
        is_over: Whether no further document may be begun; those that were begun are finished.
    """

    def one(document: Document, positions: Floats) -> Figures | None:
        if is_over():
            return None
        return measure_document(scorer_of(document.style), document, positions)

    with ThreadPoolExecutor(threads) as executor:
        looked = executor.map(lambda d: mean_attention(_whole(scorer_of(d.style), d)), documents)
        positions = position_alone([*looked])
        for figures in executor.map(one, documents[first:], positions[first:]):
            if figures is None:
                return
            yield figures


def measure_document(scorer: Scorer, document: Document, positions: Floats) -> Figures:
    """The figures of one document; `positions` (S,) is its entry of `position_alone`."""
    asked = ask(scorer, document, _whole(scorer, document))
    whole, is_copy = asked.whole, is_copied(asked.whole)
    found = rankings(scorer, document, asked, positions)
    bounds = greedy_bounds(scorer, document, asked.without_words)
    orders = [ranking(ranked.words) for several in found.values() for ranked in several]
    erased = erase(scorer, document, [*bounds, *orders])
    best, worst, *erasures = erased.figures()
    by_kind = _comprehensiveness_of(erased, (is_copy, ~is_copy))
    reliance = source_reliance(scorer, document)
    at_peak, copied = copied_at_peak(whole, document.source_ids, document.summary_ids, EOS_ID)
    even = _whole(UniformCopy(scorer), document)
    return Figures(
        words=count(document.words),
        erasures=_mean_of_each(found, erasures),
        by_kind=_mean_of_each(found, by_kind[len(bounds) :]),
        best=best,
        worst=worst,
        word_tau={
            name: _mean([kendall_tau(ranked.words, asked.word_losses) for ranked in several])
            for name, several in found.items()
        },
        sentence_tau={
            name: _mean(
                [kendall_tau(ranked.sentences, asked.sentence_losses) for ranked in several]
            )
            for name, several in found.items()
        },
        split_error=asked.split.error,
        at_peak=at_peak,
        copied=copied,
        attention_use=attention_use(whole, even),
        source_reliance=float(reliance.mean()),
        reliance_tau=kendall_tau(reliance, asked.split.copied_share),
        reliance_auc=auc(reliance, is_copy),
        held_out_fit=asked.fitted.held_out_fit,
    )


def _whole(scorer: Scorer, document: Document) -> Scores:
    return scorer.score(document.source_ids, all_kept(document), document.summary_ids)


def _comprehensiveness_of(erased: Erased, kinds: Sequence[Mask]) -> list[Floats]:
    """(kinds, K) of each order, for the tokens of each kind alone."""
    figures = np.array([erased.figures(tokens) for tokens in kinds])  # (kinds, orders, 4, K)
    return [*figures[:, :, COMPREHENSIVENESS].swapaxes(0, 1)]


def _mean_of_each(found: dict[str, list[Ranked]], of_orders: Sequence[Floats]) -> dict[str, Floats]:
    """By name the mean of what belongs to its orders, which lie one after another."""
    left = iter(of_orders)
    return {name: np.mean([next(left) for _ in several], axis=0) for name, several in found.items()}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
