"""What a step minimises: likelihood, key sentences, and the opinions of a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras

from model.summarizer import Prediction, Source, Summarizer, generator_smoothing, score

Array = Any

FLOOR = 1e-9


class Opinions(NamedTuple):
    """A teacher's likeliest tokens at each place of a target, and their probabilities."""

    ids: Array  # int16 (..., T, K)
    probs: Array  # float16 (..., T, K)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Weights of the parts: `teacher_weight` is taken from the likelihood of the references."""

    sentence_weight: float = 0.3
    label_smoothing: float = 0.0
    teacher_weight: float = 0.0

    def losses(
        self, model: Summarizer, batch: dict[str, Array], opinions: Opinions | None, training: bool
    ) -> dict[str, Array]:
        """Scalars: `loss`, and its parts in nats a token or a text.

        To be called where the network's variables have values (keras.StatelessScope).
        """
        source = model.encode(batch["source_ids"], batch["source_keep_mask"], training=training)
        prediction = model.predict_all(source, batch["previous_ids"], training=training)
        scored = score(source, prediction, batch["summary_ids"])
        weights = batch["summary_weights"]
        total = jnp.maximum(weights.sum(), 1.0)
        likelihood = -(scored.log_probs * weights).sum() / total
        loss = likelihood
        if training and self.label_smoothing:
            smoothing = generator_smoothing(prediction, scored, batch["summary_ids"])
            loss += self.label_smoothing * (smoothing * weights).sum() / total
        if opinions is not None:
            # The teacher read the text as it is: where a variation left out what a line needs,
            # or asks for another sentence, the reference alone counts.
            heard = weights * batch["is_plain"][:, None]
            ours = log_probs_of(source, prediction, opinions.ids.astype(jnp.int32))
            distance = -(opinions.probs.astype(jnp.float32) * ours).sum(axis=-1)
            believed = self.teacher_weight * heard
            mixed = -(scored.log_probs * (weights - believed)) + distance * believed
            loss += mixed.sum() / total - likelihood
        logits = model.score_sentences(
            source, batch["sentence_ids"], batch["sentence_targets"].shape[1]
        )
        labelled = jnp.maximum(batch["sentence_targets"].sum(), 1.0)
        chosen = jax.nn.log_softmax(logits, axis=-1)
        sentences = -(batch["sentence_targets"] * chosen).sum() / labelled
        loss += self.sentence_weight * sentences
        return {"loss": loss, "summary": likelihood, "sentences": sentences}


def log_probs_of(source: Source, prediction: Prediction, ids: Array) -> Array:
    """The mixture's log-probabilities (B, T, K) of tokens (B, T, K)."""
    logits = prediction.generator_logits
    chosen = jnp.take_along_axis(logits, ids, axis=-1)
    generated = jnp.exp(chosen - jax.nn.logsumexp(logits, axis=-1, keepdims=True))
    weights = prediction.attention_weights
    copied = jnp.stack(
        [
            jnp.where(source.ids[:, None, :] == ids[:, :, k, None], weights, 0.0).sum(axis=-1)
            for k in range(ids.shape[-1])
        ],
        axis=-1,
    )
    gate = prediction.copy_gate[:, :, None]
    return jnp.log(gate * copied + (1.0 - gate) * generated + FLOOR)


def opinions_of(model: Summarizer, batch: dict[str, Array], count: int) -> Opinions:
    """The `count` likeliest tokens of the mixture at every place, made to sum to 1."""
    source = model.encode(batch["source_ids"], batch["source_keep_mask"])
    prediction = model.predict_all(source, batch["previous_ids"])
    gate = prediction.copy_gate[:, :, None]
    mixed = (1.0 - gate) * jax.nn.softmax(prediction.generator_logits, axis=-1)  # (B, T, V)
    rows = jnp.arange(mixed.shape[0])[:, None, None]
    steps = jnp.arange(mixed.shape[1])[None, :, None]
    copied = gate * prediction.attention_weights
    mixed = mixed.at[rows, steps, source.ids[:, None, :]].add(copied)
    probs, ids = jax.lax.top_k(mixed, count)
    probs = probs / probs.sum(axis=-1, keepdims=True)
    return Opinions(ids.astype(jnp.int16), probs.astype(jnp.float16))


def values_of(variables: list[keras.Variable]) -> list[Array]:
    """Copies of what variables hold: a step may reuse their memory."""
    return [jnp.array(variable.value, copy=True) for variable in variables]
