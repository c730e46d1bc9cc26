"""The signatures of a SavedModel, traced over one set of weights. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from model import artifact
from model.graph.encoder import ChosenEncoder
from model.graph.summarize import Summarizing
from model.inference import Inference
from model.steering.filters import SearchOptions

PRECISION = "float32"
"""What an export computes in, whatever its training computed in."""


class Signatures(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """All that an artifact can be asked, over one set of weights."""

    def __init__(self, inference: Inference, tokenizer_sha256: str) -> None:
        super().__init__()
        encoder = ChosenEncoder(inference.model)
        self.bfloat16, self.is_bfloat16 = encoder.bfloat16, encoder.is_chosen
        self.compute_in_bfloat16, self.compute_in_float32 = encoder.fill, encoder.leave
        self._inference = inference.with_encoder(encoder)
        self._summarizing = Summarizing(self._inference)
        self.weights = [variable.value for variable in inference.model.variables]
        self.tokenizer_sha256 = tf.Variable(tokenizer_sha256, trainable=False)

    def functions(self) -> dict[str, Any]:
        """The traced signatures by name."""
        return {
            artifact.SUMMARIZE: _traced(self._summarize, artifact.SUMMARIZE_INPUTS),
            artifact.SCORE: _traced(self._score, artifact.SCORE_INPUTS),
            artifact.SCORE_SENTENCES: _traced(
                self._score_sentences, artifact.SCORE_SENTENCES_INPUTS
            ),
            artifact.SALIENCY: _traced(self._saliency, artifact.SALIENCY_INPUTS),
            artifact.SELF_ATTENTION: _traced(self._self_attention, artifact.SELF_ATTENTION_INPUTS),
        }

    def _summarize(self, **inputs: Any) -> dict[str, Any]:
        options = SearchOptions(*(inputs[name] for name in SearchOptions._fields))
        found = self._summarizing(
            inputs["source_ids"],
            inputs["source_keep_mask"],
            inputs["style_ids"],
            options,
            inputs["sentence_ids"],
        )
        return {
            "summary_ids": found.summary_ids,
            "hypothesis_ids": found.hypothesis_ids,
            "score_per_hypothesis": found.score_per_hypothesis,
            "sentence_logits": found.sentence_logits,
            **found.numbers._asdict(),
        }

    def _score(self, **inputs: Any) -> dict[str, Any]:
        return dict(self._inference.score(**inputs)._asdict())

    def _score_sentences(self, **inputs: Any) -> dict[str, Any]:
        source = self._inference.encode(inputs["source_ids"], inputs["source_keep_mask"])
        logits = self._summarizing.score_sentences(source, inputs["sentence_ids"])
        return {"sentence_logits": logits}

    def _saliency(self, target_weights: Any, **inputs: Any) -> dict[str, Any]:
        """Gradients are traced here: a graph that was loaded can't be asked for others."""
        return {"saliency": saliency(self._inference, target_weights, **inputs)}

    def _self_attention(self, **inputs: Any) -> dict[str, Any]:
        return {"attention_weights": self._inference.model.self_attention(**inputs)}


def saliency(inference: Inference, target_weights: Any, **inputs: Any) -> Any:
    """By how much the weighted log-probability moves with each source token's embedding: (B, S).

    Args:
        inference: The network.
        target_weights: (B, T), how much each summary token counts.
        inputs: Those of `Inference.score`.
    """
    embedded = inference.model.embed(inputs["source_ids"])  # (B, S, D)
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        numbers = inference.score(**inputs, embedded=embedded)
        total = tf.reduce_sum(numbers.log_probs * target_weights)
    norms = tf.norm(tape.gradient(total, embedded), axis=-1)  # (B, S)
    kept = tf.logical_and(inputs["source_keep_mask"], inputs["source_ids"] > 0)
    return tf.where(kept, norms, 0.0)


_RANKS = {
    "source_ids": 2,
    "source_keep_mask": 2,
    "summary_ids": 2,
    "sentence_ids": 2,
    "target_weights": 2,
    "num_beams": 0,
    "num_candidates": 0,
    "layer": 0,
    "head": 0,
}


def _traced(function: Any, inputs: Mapping[str, str]) -> Any:
    specs = {
        name: tf.TensorSpec([None] * _RANKS.get(name, 1), dtype, name=name)
        for name, dtype in inputs.items()
    }
    return tf.function(function, autograph=False).get_concrete_function(**specs)
