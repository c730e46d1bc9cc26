"""An exported SavedModel as the `Scorer` of `model.explanation`, and with random weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.artifact import SALIENCY, SCORE, SCORE_OUTPUTS
from model.explanation.sanity import ScorerOf
from model.explanation.scorer import Floats, Ids, Mask, Scores
from model.exporting.exported import ExportedModel

BATCH = 64
"""Scores in one call of the signature: of 192 source tokens each they take some 300 MB."""

BUCKET = 64
"""Sources are padded to multiples of this, as the service pads them."""

CASCADE = {
    "output": ("decoder_norm", "copy_gate"),
    "decoder": ("initial_", "embedding_norm", "lstm", "decoder_ffn"),
    "cross-attention": ("cross_attention",),
    "encoder": ("block_", "encoder_norm"),
    "embedding": ("embedding/",),
}
"""From the output down: what becomes random, by the beginning of the weights' names. The embedding
is shared by both ends and comes last."""


@dataclass(frozen=True)
class ExportedScorer:
    """Scores in one style with the signature `score`."""

    exported: ExportedModel
    style: str

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        """As `Scorer`, in batches of `BATCH`."""
        starts = range(0, len(keep), BATCH)
        parts = [self._score(source_ids, keep[i : i + BATCH], summary_ids) for i in starts]
        return Scores(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        found = self.exported.call(SCORE, self._inputs(source_ids, keep, summary_ids))
        found["attention_weights"] = found["attention_weights"][:, :, : keep.shape[1]]
        return Scores(*(found[name].astype(np.float64) for name in SCORE_OUTPUTS))

    def _inputs(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> dict[str, Any]:
        batch, length = keep.shape
        limit = self.exported.manifest.max_source_tokens
        padding = min(-length % BUCKET, max(limit - length, 0))
        return {
            "source_ids": np.tile(np.pad(source_ids, (0, padding)), (batch, 1)),
            "source_keep_mask": np.pad(keep, ((0, 0), (0, padding))),
            "style_ids": np.full(batch, self.exported.manifest.styles.index(self.style), np.int32),
            "summary_ids": np.tile(summary_ids, (batch, 1)),
        }


@dataclass(frozen=True)
class SalientScorer(ExportedScorer):
    """The same with the signature `saliency`: a `GradientScorer`."""

    def saliency(self, source_ids: Ids, summary_ids: Ids, target: Floats) -> Floats:
        """As `GradientScorer`."""
        length = len(source_ids)
        whole = np.ones((1, length), np.bool_)
        inputs = {
            **self._inputs(source_ids, whole, summary_ids),
            "target_weights": target[None].astype(np.float32),
        }
        found: Floats = self.exported.call(SALIENCY, inputs)["saliency"][0, :length]
        return found.astype(np.float64)


def scorers(exported: ExportedModel) -> ScorerOf:
    """The model as a scorer of each of its styles, with gradients if it has them."""
    kind = SalientScorer if SALIENCY in exported.signatures else ExportedScorer
    return lambda style: kind(exported, style)


def randomised(exported: ExportedModel, seed: int = 0) -> Iterator[tuple[str, ScorerOf]]:
    """The stages of `CASCADE`, each with the weights of those before it random too.

    The model itself is spoilt, until all stages were asked for. Only the sentence head, which does
    not score summaries, keeps its weights.

    Raises:
        ValueError: a stage names no weight of this model.
    """
    for stage in shuffled({w.name: w for w in exported.weights}, CASCADE, seed):
        yield stage, scorers(exported)


def shuffled(
    weights: Mapping[str, Any], stages: Mapping[str, tuple[str, ...]], seed: int
) -> Iterator[str]:
    """Shuffles the weights of one stage after the other in place; afterwards they are as before.

    Shuffled entries keep their size, and are as little learnt as new ones. A weight of one number
    can't be shuffled and becomes 0, as biases begin.

    Args:
        weights: Variables of TensorFlow or Keras, by name.
        stages: By stage the beginnings of its weights' names.
        seed: Of the permutations.

    Raises:
        ValueError: a stage names none of the weights.
    """
    rng = np.random.default_rng(seed)
    own: list[tuple[Any, NDArray[Any]]] = []
    try:
        for stage, beginnings in stages.items():
            chosen = [weight for name, weight in weights.items() if name.startswith(beginnings)]
            if not chosen:
                raise ValueError(f"the cascade's stage {stage!r} has no weights in this model")
            for weight in chosen:
                values = np.array(weight.numpy())
                own.append((weight, values))
                weight.assign(_random(values, rng))
            yield stage
    finally:
        for weight, values in reversed(own):
            weight.assign(values)


def _random(values: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    if values.size == 1:
        return np.zeros_like(values)
    found: NDArray[Any] = rng.permutation(values.reshape(-1)).reshape(values.shape)
    return found
