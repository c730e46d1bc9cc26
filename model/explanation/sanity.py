"""Whether an explanation depends on what the model learnt, and whether its attention is used.

Adebayo et al. 2018: an explanation that stays the same while the weights become random explains
the text, not the model. Wiegreffe & Pinter 2019: an attention that may as well be even explains
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from model.explanation.correlation import spearman
from model.explanation.document import Document, all_kept, count
from model.explanation.methods.ablation import REMOVALS, ablation
from model.explanation.methods.attention import attention
from model.explanation.methods.copy_split import copy_split
from model.explanation.methods.gradient import gradient
from model.explanation.methods.removal import leave_one_out, source_reliance
from model.explanation.scorer import Floats, GradientScorer, Ids, Mask, Scorer, Scores

PASSED = 0.3
"""The largest mean correlation with the model's own scores once all weights are random."""

LEAST_RANKED = 3
"""Scores of a document that have a rank correlation worth the name: of two it is 1 or -1, and one
has none."""

LOG_FLOOR = 1e-9
"""Added to a probability before its logarithm, as the network does."""

ScorerOf = Callable[[str], Scorer]
"""A style -> the model that writes in it."""

Stages = Iterable[tuple[str, ScorerOf]]
"""Names of what is random so far, and the model; each stage's model is used before the next is
asked for, so that one set of weights can be spoilt step by step."""

Likeness = dict[str, dict[str, Floats]]
"""By stage and method (D, 2): in each document Spearman's correlation of the method's scores with
the model's own, and that of their sizes. NaN where there is too little to be ranked."""


def checked_scores(scorer: Scorer, document: Document) -> dict[str, Floats]:
    """The scores whose dependence on the weights is checked, by method.

    They are of source tokens, of sentences and, for `source_reliance`, of summary tokens.
    """
    scores = scorer.score(document.source_ids, all_kept(document), document.summary_ids)
    target = np.ones(len(document.summary_ids))
    split = copy_split(scores, document.source_ids, document.summary_ids)
    found = {
        "attention": attention(scores.attention_weights[0], target),
        "copy_split": split.copied.sum(axis=0),
        "source_reliance": source_reliance(scorer, document),
        "leave_one_out": leave_one_out(scorer, document, document.sentences),
        "ablation": ablation(scorer, document, document.sentences).scores,
    }
    if isinstance(scorer, GradientScorer):
        found["gradient"] = gradient(scorer, document)
    return found


def cascade(
    scorer_of: ScorerOf, stages: Stages, documents: Sequence[Document], threads: int = 1
) -> Likeness:
    """How like the scores with random weights are to the model's own."""
    found: Likeness = {}
    with ThreadPoolExecutor(threads) as executor:

        def checked(scorer_of: ScorerOf) -> list[dict[str, Floats]]:
            return [*executor.map(lambda d: checked_scores(scorer_of(d.style), d), documents)]

        own = checked(scorer_of)
        for stage, random_of in stages:
            pairs = [*zip(own, checked(random_of), strict=True)]
            found[stage] = {
                method: np.array([_likeness(a[method], b[method]) for a, b in pairs])
                for method in own[0]
            }
    return found


def scores_needed(documents: Sequence[Document], stages: int) -> int:
    """How many scores, rows of batches, a cascade of so many stages asks for."""
    once = sum(4 + count(document.sentences) + REMOVALS for document in documents)
    return (stages + 1) * once


Correlations = Mapping[str, Mapping[str, float | None]]
"""By stage and method the mean over documents; none where no document has one."""


def correlations(found: Likeness) -> Correlations:
    """The means, of the correlation of scores and that of their sizes the larger."""
    return {
        stage: {method: _larger_mean(values) for method, values in methods.items()}
        for stage, methods in found.items()
    }


def larger(values: Floats) -> Floats:
    """(D,): of the two columns of a likeness the one whose mean is larger."""
    return values[:, 0] if _is_first_larger(values) else values[:, 1]


def passes(by_stage: Sequence[float]) -> bool:
    """Whether a method's correlations, by stage, end low and no higher than they began."""
    return by_stage[-1] <= PASSED and by_stage[-1] <= by_stage[0]


def verdicts(found: Correlations) -> dict[str, bool]:
    """Whether each method of a cascade passes; those that could not be ranked are left out."""
    stages = list(found.values())
    by_method = {method: [stage[method] for stage in stages] for method in stages[0]}
    return {
        method: passes([value for value in values if value is not None])
        for method, values in by_method.items()
        if None not in values
    }


def _likeness(own: Floats, random: Floats) -> tuple[float, float]:
    """Of scores that are all the same with random weights nothing is left: 0."""
    if len(own) < LEAST_RANKED or not np.ptp(own) > 0:
        return float("nan"), float("nan")
    both = spearman(own, random), spearman(np.abs(own), np.abs(random))
    first, second = (0.0 if np.isnan(value) else value for value in both)
    return first, second


def _larger_mean(values: Floats) -> float | None:
    known = larger(values)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else None


def _is_first_larger(values: Floats) -> bool:
    sums = np.nansum(values, axis=0)
    return bool(sums[0] >= sums[1])


@dataclass(frozen=True)
class UniformCopy:
    """The same model, its copies drawn evenly from the kept source; the decoder's state stays.

    Only the copying is replaced, since that is what the numbers of a `Scorer` determine exactly.
    What the decoder itself takes from the cross-attention is still there, so the loss is a lower
    bound.
    """

    scorer: Scorer

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        """As `Scorer`."""
        scores = self.scorer.score(source_ids, keep, summary_ids)
        even = keep / keep.sum(axis=1, keepdims=True)
        weights = np.broadcast_to(even[:, None, :], scores.attention_weights.shape)
        same = summary_ids[:, None] == source_ids[None, :]
        copied = scores.copy_gate * (weights * same).sum(axis=-1)
        log_probs = np.log(copied + scores.generated_prob + LOG_FLOOR)
        return Scores(log_probs, weights, scores.copy_gate, copied, scores.generated_prob)


def attention_use(scores: Scores, even: Scores) -> float:
    """The mean nats a token that the summary of one document loses with even attention."""
    return float((scores.log_probs[0] - even.log_probs[0]).mean())
