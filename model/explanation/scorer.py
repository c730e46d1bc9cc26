"""The port: a model that scores one given summary of one text, parts of the text hidden."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int32]
Mask = NDArray[np.bool_]


class Scores(NamedTuple):
    """What a model says of a summary of T tokens, once for each of N ways to hide S positions.

    Row t speaks of the summary's token t. exp(log_probs) = copied_prob + generated_prob.
    """

    log_probs: Floats  # (N, T), nats
    attention_weights: Floats  # (N, T, S), 0 where hidden, rows sum to 1
    copy_gate: Floats  # (N, T), the probability of copying
    copied_prob: Floats  # (N, T)
    generated_prob: Floats  # (N, T)


class Scorer(Protocol):
    """Scores by teacher forcing: the summary stays, the source loses positions."""

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        """The numbers of one summary under N keep masks.

        Args:
            source_ids: (S,), `<eos>` last.
            keep: (N, S), False hides a position as a key everywhere; positions stay.
            summary_ids: (T,), without padding.
        """


@runtime_checkable
class BriefScorer(Scorer, Protocol):
    """One that can leave the attention, N x T x S numbers, where it was computed."""

    def log_probs(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Floats:
        """`log_probs` of `score`, and nothing else."""


@runtime_checkable
class GradientScorer(Scorer, Protocol):
    """One that also says how much each source token moves what it says of a summary."""

    def saliency(self, source_ids: Ids, summary_ids: Ids, target: Floats) -> Floats:
        """The norm (S,) of the gradient of the target's log-probability by each token's embedding.

        Args:
            source_ids: (S,), `<eos>` last; nothing is hidden.
            summary_ids: (T,), without padding.
            target: (T,), how much each summary token counts.
        """


def log_probs(scorer: Scorer, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Floats:
    """The log-probabilities (N, T) of one summary under N keep masks."""
    if isinstance(scorer, BriefScorer):
        return scorer.log_probs(source_ids, keep, summary_ids)
    return scorer.score(source_ids, keep, summary_ids).log_probs
