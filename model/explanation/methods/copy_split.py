"""The exact part: how much of a word's probability was copied, and from which position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.explanation.scorer import Floats, Ids, Scores

TOLERANCE = 1e-5
"""The largest difference from the model's own probability that counts as exact."""


@dataclass(frozen=True)
class CopySplit:
    """The probability of each of T summary tokens, divided; an identity and no estimate."""

    copied: Floats  # (T, S), the probability copied from each source position
    generated: Floats  # (T,)
    probability: Floats  # (T,), as the model says it

    @property
    def error(self) -> float:
        """The largest |probability - (copied + generated)|."""
        return float(np.abs(self.probability - self.copied.sum(axis=1) - self.generated).max())

    @property
    def copied_share(self) -> Floats:
        """(T,), from 0 to 1."""
        copied = self.copied.sum(axis=1)
        share: Floats = copied / (copied + self.generated)
        return share


def copy_split(scores: Scores, source_ids: Ids, summary_ids: Ids) -> CopySplit:
    """Splits by the definition of the network: copy gate x attention where the ids are the same.

    No further call. Copying is by id: the same word spelt otherwise counts as generated.

    Args:
        scores: Of one mask; of several the first is taken.
        source_ids: (S,)
        summary_ids: (T,)

    Raises:
        ValueError: the parts miss the model's own probability by more than `TOLERANCE`.
    """
    same = summary_ids[:, None] == source_ids[None, :]
    copied = scores.copy_gate[0][:, None] * scores.attention_weights[0] * same
    split = CopySplit(copied, scores.generated_prob[0], np.exp(scores.log_probs[0]))
    if not split.error <= TOLERANCE:  # NaN too
        raise ValueError(f"copied + generated must be within {TOLERANCE:g}, is off {split.error:g}")
    return split
