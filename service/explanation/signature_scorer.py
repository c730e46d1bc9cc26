"""The signature `score` as the `Scorer` of `model.explanation`. In a worker; NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.artifact import SCORE, SCORE_OUTPUTS
from model.explanation.scorer import Ids, Mask, Scores
from service.inference.batches import padded_length, source_arrays, summary_array, usual_rows
from service.inference.calls import Arrays, ModelCalls, call_in_parts
from service.inference.token_budget import row_width


@dataclass(frozen=True, kw_only=True)
class SignatureScorer:
    """Scores in one style, in the shapes that searches have too."""

    model: ModelCalls
    style_id: int
    max_source_tokens: int

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        """As `Scorer`, in as many calls as the bound, memory and `usual_rows` ask for.

        Raises:
            OutOfMemory: there is none for a single mask.
        """
        length = padded_length(len(source_ids), self.max_source_tokens)
        rest = list(range(len(keep)))
        parts: dict[int, Arrays] = {}
        while rest:
            most = max(1, self.model.budget.tokens // (length * row_width()))
            size = usual_rows(min(most, len(rest)))
            group, rest = rest[:size], rest[size:]
            for members, outputs in call_in_parts(
                group, lambda chosen: self._call(source_ids, keep[chosen], summary_ids, length)
            ):
                parts[members[0]] = outputs
        ordered = [parts[first] for first in sorted(parts)]
        found = {name: np.concatenate([part[name] for part in ordered]) for name in SCORE_OUTPUTS}
        found = {name: values[:, : len(summary_ids)] for name, values in found.items()}
        found["attention_weights"] = found["attention_weights"][:, :, : len(source_ids)]
        return Scores(**{name: values.astype(np.float64) for name, values in found.items()})

    def _call(self, source_ids: Ids, keep: Mask, summary_ids: Ids, length: int) -> Arrays:
        rows = len(keep)
        arrays = source_arrays([source_ids.tolist()] * rows, self.style_id, length)
        padding = ((0, 0), (0, length - keep.shape[1]))
        return self.model(
            SCORE,
            {
                **arrays,
                "source_keep_mask": np.pad(keep, padding),
                "summary_ids": summary_array(summary_ids, rows),
            },
        )
