"""Scores sentences for extraction from the encoder's view of the text."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from model.attention import MASKED_SCORE, Tensor, attend

NUM_POSITIONS = 64
"""Sentences beyond share the last position's vector."""


class SentenceHead(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """One logit a sentence, from what it says, what the text says, and where it stands.

    A learnt query pools the tokens of each sentence with attention; the pooled vector is compared
    with the mean of all sentences (as SummaRuNNer does: Nallapati et al. 2017).
    """

    def __init__(self, hidden_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.content_dense = keras.layers.Dense(hidden_dim, name="content")
        self.salience_dense = keras.layers.Dense(hidden_dim, use_bias=False, name="salience")
        self.position_embedding = keras.layers.Embedding(
            NUM_POSITIONS, hidden_dim, embeddings_initializer="zeros", name="position"
        )
        # Sentences of one text compete in a softmax, which takes no notice of a bias.
        self.logit_dense = keras.layers.Dense(
            1, use_bias=False, kernel_initializer="zeros", name="logit"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the pooling query (D,) and the parts on (B, S, D)."""
        self.pooling_query = self.add_weight(
            shape=(self.hidden_dim,), initializer="zeros", name="pooling_query"
        )
        for dense in (self.content_dense, self.salience_dense, self.logit_dense):
            dense.build(input_shape)
        self.position_embedding.build((None, None))
        self.built = True

    def call(
        self, encoder_output: Tensor, mask: Tensor, sentence_ids: Tensor, num_sentences: Any
    ) -> Tensor:
        """Scores.

        Args:
            encoder_output: float32 (B, S, D).
            mask: bool (B, S), True = may be looked at.
            sentence_ids: int32 (B, S), the number of a token's sentence from 1; 0 = none.
            num_sentences: N, at least the largest number.

        Returns:
            Logits (B, N); MASKED_SCORE where no token of a sentence is kept.
        """
        numbers = ops.arange(num_sentences, dtype="int32") + 1  # (N,)
        belongs = ops.equal(sentence_ids[:, None, :], numbers[None, :, None])  # (B, N, S)
        belongs = ops.logical_and(belongs, mask[:, None, :])
        query = self.pooling_query[None, None, :]  # (1, 1, D)
        scores = ops.sum(encoder_output * query, axis=-1, keepdims=True)  # (B, S, 1)
        # The learnt query is the same for every sentence, so its scores are the keys.
        ones = ops.ones_like(belongs[:, :, :1], dtype="float32")  # (B, N, 1)
        pooled, _ = attend(ones, scores, encoder_output, belongs)  # (B, N, D)
        present = ops.any(belongs, axis=2)  # (B, N)
        weights = ops.cast(present, "float32")[:, :, None]
        count = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)
        whole = ops.sum(pooled * weights, axis=1, keepdims=True) / count  # (B, 1, D)
        places = ops.minimum(numbers - 1, NUM_POSITIONS - 1)[None, :]  # (1, N)
        hidden = self.content_dense(pooled) + self.salience_dense(pooled * whole)
        hidden = ops.relu(hidden + self.position_embedding(places))  # (B, N, D)
        logits = self.logit_dense(hidden)[..., 0]
        return ops.where(present, logits, MASKED_SCORE)
