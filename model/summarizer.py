"""The network: self-attention encoder, LSTM decoder, cross-attention that is also the copy map."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import keras
from keras import ops

from model.attention import CrossAttention, SelfAttention, Tensor

LOG_FLOOR = 1e-9
"""Added before a logarithm of a probability that may be exactly 0."""


@dataclass(frozen=True, kw_only=True)
class SummarizerConfig:
    """Sizes of the network, stored beside its weights."""

    vocab_size: int
    hidden_dim: int = 256
    num_layers: int = 4
    num_heads: int = 4
    ffn_dim: int = 1024
    dropout: float = 0.1

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


class Source(NamedTuple):
    """An encoded source, projected once for all decoding steps."""

    ids: Tensor  # int32 (B, S)
    mask: Tensor  # bool (B, S), True = may be looked at
    key: Tensor  # (B, S, D)
    value: Tensor  # (B, S, D)
    initial_state: tuple[Tensor, Tensor]  # LSTM h and c, each (B, D)


class Prediction(NamedTuple):
    """What the decoder says of each position (B, T, ...), all in float32."""

    generator_log_probs: Tensor  # (B, T, V), before the gate
    attention_weights: Tensor  # (B, T, S)
    copy_gate: Tensor  # (B, T), the probability of COPYING


class Score(NamedTuple):
    """The numbers of a given summary; every row t speaks of summary_ids[:, t]."""

    log_probs: Tensor  # (B, T)
    attention_weights: Tensor  # (B, T, S)
    copy_gate: Tensor  # (B, T)
    copied_prob: Tensor  # (B, T)
    generated_prob: Tensor  # (B, T)


class FeedForward(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Two dense layers around a squared ReLU (So et al. 2021)."""

    def __init__(self, hidden_dim: int, ffn_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.inner = keras.layers.Dense(ffn_dim, use_bias=False, dtype=policy, name="inner")
        self.outer = keras.layers.Dense(
            hidden_dim, use_bias=False, kernel_initializer="zeros", dtype=policy, name="outer"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes (D, F) and (F, D)."""
        self.inner.build(input_shape)
        self.outer.build((*input_shape[:-1], self.inner.units))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        return self.outer(ops.square(ops.relu(self.inner(inputs))))


class EncoderBlock(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Pre-normalised self-attention and feed-forward, each added to its input."""

    def __init__(self, config: SummarizerConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.attention_norm = _norm("attention_norm", policy)
        self.attention = SelfAttention(
            config.hidden_dim, config.num_heads, dtype=policy, name="attention"
        )
        self.ffn_norm = _norm("ffn_norm", policy)
        self.ffn = FeedForward(config.hidden_dim, config.ffn_dim, dtype=policy, name="ffn")
        self.dropout = keras.layers.Dropout(config.dropout, dtype=policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Builds the parts on (B, S, D)."""
        for part in (self.attention_norm, self.attention, self.ffn_norm, self.ffn):
            part.build(input_shape)
        self.built = True

    def call(
        self, inputs: Tensor, attention_mask: Tensor, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """(B, S, D) to (B, S, D) and the attention weights (B, H, S, S)."""
        attended, attention_weights = self.attention(self.attention_norm(inputs), attention_mask)
        hidden = inputs + self.dropout(attended, training=training)
        fed = self.ffn(self.ffn_norm(hidden))
        return hidden + self.dropout(fed, training=training), attention_weights


class Summarizer(keras.Model):  # type: ignore[misc]  # Keras is untyped
    """Writes a summary token by token, each generated or copied from where it looks."""

    def __init__(self, config: SummarizerConfig, *, encoder_dtype: str = "float32") -> None:
        super().__init__(name="summarizer")
        self.config = config
        dim = config.hidden_dim
        self.embedding = keras.layers.Embedding(
            config.vocab_size,
            dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.05),
            name="embedding",
        )
        self.blocks = [
            EncoderBlock(config, dtype=encoder_dtype, name=f"block_{i}")
            for i in range(config.num_layers)
        ]
        self.encoder_norm = _norm("encoder_norm")
        self.initial_hidden = keras.layers.Dense(dim, activation="tanh", name="initial_hidden")
        self.initial_cell = keras.layers.Dense(dim, activation="tanh", name="initial_cell")
        self.embedding_norm = _norm("embedding_norm")
        self.lstm = keras.layers.LSTM(dim, return_sequences=True, return_state=True, name="lstm")
        self.cross_attention = CrossAttention(dim, name="cross_attention")
        self.decoder_ffn_norm = _norm("decoder_ffn_norm")
        self.decoder_ffn = FeedForward(dim, config.ffn_dim, name="decoder_ffn")
        self.decoder_norm = _norm("decoder_norm")
        self.copy_gate_dense = keras.layers.Dense(1, name="copy_gate")
        self.dropout = keras.layers.Dropout(config.dropout)
        self._build_parts()

    def _build_parts(self) -> None:
        sequence = (None, None, self.config.hidden_dim)
        self.embedding.build((None, None))
        for part in (*self.blocks, self.lstm, self.cross_attention, self.decoder_ffn):
            part.build(sequence)
        for part in (self.initial_hidden, self.initial_cell, self.copy_gate_dense):
            part.build(sequence)
        for norm in (
            self.encoder_norm,
            self.embedding_norm,
            self.decoder_ffn_norm,
            self.decoder_norm,
        ):
            norm.build(sequence)
        self.built = True

    def encode(
        self, source_ids: Tensor, source_keep_mask: Tensor, training: bool = False
    ) -> Source:
        """Reads a source.

        Args:
            source_ids: int32 (B, S), padded with 0 on the right.
            source_keep_mask: bool (B, S); False hides a position as a key everywhere, while
                positions stay as they are.
            training: Whether dropout is on.
        """
        mask = ops.logical_and(source_keep_mask, ops.not_equal(source_ids, 0))
        hidden = self.dropout(self.embedding(source_ids), training=training)  # (B, S, D)
        for block in self.blocks:
            hidden, _ = block(hidden, mask[:, None, None, :], training=training)
        hidden = self.encoder_norm(ops.cast(hidden, "float32"))
        weights = ops.cast(mask, "float32")[:, :, None]  # (B, S, 1)
        count = ops.maximum(ops.sum(weights, axis=1), 1.0)
        pooled = ops.sum(hidden * weights, axis=1) / count  # (B, D)
        key, value = self.cross_attention.project(hidden)
        state = (self.initial_hidden(pooled), self.initial_cell(pooled))
        return Source(source_ids, mask, key, value, state)

    def predict_all(
        self, source: Source, previous_ids: Tensor, training: bool = False
    ) -> Prediction:
        """Predicts every position from the true prefix: previous_ids (B, T) start with a style."""
        inputs = self.dropout(self.embedding(previous_ids), training=training)  # (B, T, D)
        outputs, _, _ = self.lstm(
            self.embedding_norm(inputs), initial_state=list(source.initial_state)
        )
        return self._read(source, inputs + outputs, training)

    def predict_next(
        self, source: Source, previous_ids: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Prediction, tuple[Tensor, Tensor]]:
        """Predicts one position for K hypotheses a source, which share keys and values.

        Args:
            source: B encoded sources.
            previous_ids: int32 (B, K), the last token of each hypothesis.
            state: LSTM h and c, each (B, K, D).

        Returns:
            A prediction whose T axis runs over the hypotheses, and the new state.
        """
        dim = self.config.hidden_dim
        batch, beams = ops.shape(previous_ids)[0], ops.shape(previous_ids)[1]
        inputs = self.embedding(previous_ids)  # (B, K, D)
        flat = ops.reshape(self.embedding_norm(inputs), (batch * beams, dim))
        states = [ops.reshape(part, (batch * beams, dim)) for part in state]
        output, (hidden, cell) = self.lstm.cell(flat, states)
        shape = (batch, beams, dim)
        prediction = self._read(source, inputs + ops.reshape(output, shape), training=False)
        return prediction, (ops.reshape(hidden, shape), ops.reshape(cell, shape))

    def _read(self, source: Source, hidden: Tensor, training: bool) -> Prediction:
        """Looks at the source from decoder states (B, T, D)."""
        attended, attention_weights = self.cross_attention(
            hidden, source.key, source.value, source.mask
        )
        hidden = hidden + self.dropout(attended, training=training)
        fed = self.decoder_ffn(self.decoder_ffn_norm(hidden))
        hidden = self.decoder_norm(hidden + self.dropout(fed, training=training))
        logits = ops.matmul(hidden, ops.transpose(self.embedding.embeddings))  # (B, T, V)
        copy_gate = ops.sigmoid(self.copy_gate_dense(hidden))[..., 0]  # (B, T)
        return Prediction(ops.log_softmax(logits, axis=-1), attention_weights, copy_gate)

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        """Log-probabilities (B, T) of `summary_ids` after `previous_ids`, for training."""
        source = self.encode(inputs["source_ids"], inputs["source_keep_mask"], training=training)
        prediction = self.predict_all(source, inputs["previous_ids"], training=training)
        return score(source, prediction, inputs["summary_ids"]).log_probs


def score(source: Source, prediction: Prediction, summary_ids: Tensor) -> Score:
    """The numbers of `summary_ids` int32 (B, T) under a teacher-forced prediction."""
    matches = ops.equal(source.ids[:, None, :], summary_ids[:, :, None])  # (B, T, S)
    copy_mass = ops.sum(ops.where(matches, prediction.attention_weights, 0.0), axis=-1)
    chosen = ops.take_along_axis(
        prediction.generator_log_probs, ops.cast(summary_ids, "int32")[:, :, None], axis=-1
    )[..., 0]
    copied_prob = prediction.copy_gate * copy_mass
    generated_prob = (1.0 - prediction.copy_gate) * ops.exp(chosen)
    log_probs = ops.log(copied_prob + generated_prob + LOG_FLOOR)
    return Score(
        log_probs, prediction.attention_weights, prediction.copy_gate, copied_prob, generated_prob
    )


def _norm(name: str, dtype: Any = None) -> keras.layers.Layer:
    return keras.layers.RMSNormalization(name=name, dtype=dtype)
