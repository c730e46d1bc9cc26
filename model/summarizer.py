"""The network: self-attention encoder, LSTM decoder, cross-attention that is also the copy map."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
from keras import ops

from model.attention import CrossAttention, Tensor
from model.encoder import EncoderBlock, FeedForward, SummarizerConfig, norm
from model.sentence_head import SentenceHead

TILE = 64
"""Columns of the output layer that lie together, where the search reads it."""

LOG_FLOOR = 1e-9
"""Added before a logarithm of a probability that may be exactly 0."""


class Source(NamedTuple):
    """An encoded source, projected once for all decoding steps."""

    ids: Tensor  # int32 (B, S)
    mask: Tensor  # bool (B, S), True = may be looked at
    encoder_output: Tensor  # float32 (B, S, D)
    key: Tensor  # (B, S, D)
    value: Tensor  # (B, S, D)
    initial_state: tuple[Tensor, Tensor]  # LSTM h and c, each (B, D)


class Prediction(NamedTuple):
    """What the decoder says of each position (B, T, ...), all in float32."""

    generator_logits: Tensor  # (B, T, V), before the gate
    attention_weights: Tensor  # (B, T, S)
    copy_gate: Tensor  # (B, T), the probability of COPYING


class Score(NamedTuple):
    """The numbers of a given summary; every row t speaks of summary_ids[:, t]."""

    log_probs: Tensor  # (B, T)
    attention_weights: Tensor  # (B, T, S)
    copy_gate: Tensor  # (B, T)
    copied_prob: Tensor  # (B, T)
    generated_prob: Tensor  # (B, T)


class Summarizer(keras.Model):  # type: ignore[misc]  # Keras is untyped
    """Writes a summary token by token, each generated or copied from where it looks."""

    def __init__(
        self,
        config: SummarizerConfig,
        *,
        encoder_dtype: str = "float32",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(name="summarizer")
        self.config, self.label_smoothing = config, label_smoothing
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
        self.encoder_norm = norm("encoder_norm")
        self.initial_hidden = keras.layers.Dense(dim, activation="tanh", name="initial_hidden")
        self.initial_cell = keras.layers.Dense(dim, activation="tanh", name="initial_cell")
        self.embedding_norm = norm("embedding_norm")
        self.lstm = keras.layers.LSTM(dim, return_sequences=True, return_state=True, name="lstm")
        self.cross_attention = CrossAttention(dim, name="cross_attention")
        self.decoder_ffn_norm = norm("decoder_ffn_norm")
        self.decoder_ffn = FeedForward(dim, config.ffn_dim, name="decoder_ffn")
        self.decoder_norm = norm("decoder_norm")
        self.copy_gate_dense = keras.layers.Dense(1, name="copy_gate")
        self.dropout = keras.layers.Dropout(config.dropout)
        # Last, so that the weights of networks without it keep their order.
        self.sentence_head = SentenceHead(dim, name="sentence_head")
        self._build_parts()

    def _build_parts(self) -> None:
        sequence = (None, None, self.config.hidden_dim)
        self.embedding.build((None, None))
        for part in (
            *self.blocks, self.lstm, self.cross_attention, self.decoder_ffn,
            self.initial_hidden, self.initial_cell, self.copy_gate_dense, self.sentence_head,
            self.encoder_norm, self.embedding_norm, self.decoder_ffn_norm, self.decoder_norm,
        ):  # fmt: skip
            part.build(sequence)
        self.built = True

    def embed(self, source_ids: Tensor) -> Tensor:
        """The embeddings (B, S, D) of a source."""
        return self.embedding(source_ids)

    def encode(
        self,
        source_ids: Tensor,
        source_keep_mask: Tensor,
        training: bool = False,
        embedded: Tensor | None = None,
    ) -> Source:
        """Reads a source.

        Args:
            source_ids: int32 (B, S), padded with 0 on the right.
            source_keep_mask: bool (B, S); False hides a position as a key everywhere, while
                positions stay as they are.
            training: Whether dropout is on.
            embedded: What `embed` gives, for whoever takes gradients by it.
        """
        mask = self.mask_of(source_ids, source_keep_mask)
        hidden = self.embed(source_ids) if embedded is None else embedded
        return self.project(source_ids, mask, self.read(hidden, mask, training))

    def mask_of(self, source_ids: Tensor, source_keep_mask: Tensor) -> Tensor:
        """bool (B, S), True where a position may be looked at."""
        return ops.logical_and(source_keep_mask, ops.not_equal(source_ids, 0))

    def read(self, hidden: Tensor, mask: Tensor, training: bool = False) -> Tensor:
        """Embeddings (B, S, D) through all blocks, in float32."""
        hidden = self.dropout(hidden, training=training)
        for block in self.blocks:
            hidden, _ = block(hidden, mask[:, None, None, :], training=training)
        return ops.cast(hidden, "float32")

    def project(self, source_ids: Tensor, mask: Tensor, hidden: Tensor) -> Source:
        """What the decoder needs of a source that was read into (B, S, D)."""
        hidden = self.encoder_norm(hidden)
        weights = ops.cast(mask, "float32")[:, :, None]  # (B, S, 1)
        count = ops.maximum(ops.sum(weights, axis=1), 1.0)
        pooled = ops.sum(hidden * weights, axis=1) / count  # (B, D)
        key, value = self.cross_attention.project(hidden)
        state = (self.initial_hidden(pooled), self.initial_cell(pooled))
        return Source(source_ids, mask, hidden, key, value, state)

    def predict_all(
        self, source: Source, previous_ids: Tensor, training: bool = False
    ) -> Prediction:
        """Predicts every position from the true prefix: previous_ids (B, T) start with a style."""
        inputs = self.dropout(self.embedding(previous_ids), training=training)  # (B, T, D)
        outputs, _, _ = self.lstm(
            self.embedding_norm(inputs), initial_state=list(source.initial_state)
        )
        return self._read(source, inputs + outputs, self.output_columns(), training)

    def predict_next(
        self,
        source: Source,
        previous_ids: Tensor,
        state: tuple[Tensor, Tensor],
        columns: Tensor,
    ) -> tuple[Prediction, tuple[Tensor, Tensor]]:
        """Predicts one position for K hypotheses a source, which share keys and values.

        Args:
            source: B encoded sources.
            previous_ids: int32 (B, K), the last token of each hypothesis.
            state: LSTM h and c, each (B, K, D).
            columns: `output_tiles` of the tokens to give logits of, made once for all steps.

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
        prediction = self._read(source, inputs + ops.reshape(output, shape), columns)
        return prediction, (ops.reshape(hidden, shape), ops.reshape(cell, shape))

    def _read(
        self, source: Source, hidden: Tensor, columns: Tensor, training: bool = False
    ) -> Prediction:
        """Looks at the source from decoder states (B, T, D)."""
        attended, attention_weights = self.cross_attention(
            hidden, source.key, source.value, source.mask
        )
        hidden = hidden + self.dropout(attended, training=training)
        batch, steps, dim = ops.shape(hidden)
        hidden = ops.reshape(hidden, (batch * steps, dim))  # (B T, D): fewer, larger products
        fed = self.decoder_ffn(self.decoder_ffn_norm(hidden))
        hidden = self.decoder_norm(hidden + self.dropout(fed, training=training))
        copy_gate = ops.sigmoid(self.copy_gate_dense(hidden))  # (B T, 1)
        return Prediction(
            ops.reshape(_products(hidden, columns), (batch, steps, -1)),
            attention_weights,
            ops.reshape(copy_gate, (batch, steps)),
        )

    def output_columns(self) -> Tensor:
        """The output layer (D, V): the embeddings, transposed."""
        return ops.transpose(ops.convert_to_tensor(self.embedding.embeddings))

    def output_tiles(self, num_tokens: int) -> Tensor:
        """The output layer of the first tokens, (V / n, D, n): n columns lie together in memory.

        A product with few rows takes as long as the weights take to be read, and a processor reads
        tiles twice as fast as pieces of long rows.
        """
        size = math.gcd(num_tokens, TILE)
        rows = ops.convert_to_tensor(self.embedding.embeddings)[:num_tokens]
        tiles = ops.reshape(rows, (num_tokens // size, size, self.config.hidden_dim))
        return ops.swapaxes(tiles, 1, 2)

    def self_attention(
        self, source_ids: Tensor, source_keep_mask: Tensor, layer: Tensor, head: Tensor
    ) -> Tensor:
        """The attention weights (B, S, S) of one head of one block of the encoder.

        Args:
            source_ids: As in `encode`.
            source_keep_mask: As in `encode`.
            layer: int32 scalar, from 0.
            head: int32 scalar, from 0.
        """
        mask = self.mask_of(source_ids, source_keep_mask)
        hidden, found = self.embed(source_ids), []
        for block in self.blocks:
            found.append(block.head_weights(hidden, mask, head))
            hidden, _ = block(hidden, mask[:, None, None, :])
        return ops.take(ops.stack(found), layer, axis=0)

    def score_sentences(self, source: Source, sentence_ids: Tensor, num_sentences: Any) -> Tensor:
        """Logits (B, N) of the sentences numbered 1 to N in int32 (B, S), for extraction."""
        return self.sentence_head(
            source.encoder_output, source.mask, sentence_ids, num_sentences=num_sentences
        )

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> dict[str, Tensor]:
        """What training needs.

        Returns:
            `summary`: log-probabilities (B, T) of `summary_ids` after `previous_ids`; `sentences`:
            log-probabilities (B, N) that a sentence of `sentence_ids` is chosen.
        """
        source = self.encode(inputs["source_ids"], inputs["source_keep_mask"], training=training)
        prediction = self.predict_all(source, inputs["previous_ids"], training=training)
        scored = score(source, prediction, inputs["summary_ids"])
        log_probs = scored.log_probs
        if training and self.label_smoothing:
            smoothing = generator_smoothing(prediction, scored, inputs["summary_ids"])
            log_probs = log_probs - self.label_smoothing * smoothing
        num_sentences = ops.shape(inputs["sentence_targets"])[1]
        logits = self.score_sentences(source, inputs["sentence_ids"], num_sentences)
        return {"summary": log_probs, "sentences": ops.log_softmax(logits, axis=-1)}


def _products(hidden: Tensor, columns: Tensor) -> Tensor:
    """Of (M, D) and columns (D, V), or tiles (V / n, D, n) of them: (M, V)."""
    if len(columns.shape) == 2:
        return ops.matmul(hidden, columns)
    products = ops.matmul(hidden[None], columns)  # (V / n, M, n)
    return ops.reshape(ops.swapaxes(products, 0, 1), (ops.shape(hidden)[0], -1))


def score(source: Source, prediction: Prediction, summary_ids: Tensor) -> Score:
    """The numbers of `summary_ids` int32 (B, T) under a teacher-forced prediction."""
    matches = ops.equal(source.ids[:, None, :], summary_ids[:, :, None])  # (B, T, S)
    copy_mass = ops.sum(ops.where(matches, prediction.attention_weights, 0.0), axis=-1)
    copied_prob = prediction.copy_gate * copy_mass
    chosen = _generator_log_probs(prediction, summary_ids)
    generated_prob = (1.0 - prediction.copy_gate) * ops.exp(chosen)
    log_probs = ops.log(copied_prob + generated_prob + LOG_FLOOR)
    return Score(
        log_probs, prediction.attention_weights, prediction.copy_gate, copied_prob, generated_prob
    )


def generator_smoothing(prediction: Prediction, scored: Score, summary_ids: Tensor) -> Tensor:
    """What label smoothing of 1 adds to the loss (B, T): only the generator is smoothed.

    A smoothed target gives (1 - e) to the token and e to the whole vocabulary alike. In a mixture
    only the generator's share of a token, as the mixture itself has it, gets that target; the
    gradients of copy gate and attention stay those of the likelihood.
    """
    share = scored.generated_prob / (scored.copied_prob + scored.generated_prob + LOG_FLOOR)
    logits = prediction.generator_logits
    uniform = ops.mean(logits, axis=-1) - ops.logsumexp(logits, axis=-1)  # (B, T)
    return ops.stop_gradient(share) * (_generator_log_probs(prediction, summary_ids) - uniform)


def _generator_log_probs(prediction: Prediction, summary_ids: Tensor) -> Tensor:
    """(B, T), of the given tokens. One fused operation: nothing else as wide as V is written."""
    ids = ops.cast(summary_ids, "int32")
    return -ops.sparse_categorical_crossentropy(ids, prediction.generator_logits, from_logits=True)
