"""The decoder on plain tensors: what `Summarizer.predict_next` and `predict_all` compute."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from model.attention import MASKED_SCORE, Tensor
from model.inference import blanked
from model.summarizer import LOG_FLOOR, Score, Source, Summarizer
from model.tokenizer import PAD_ID


class Layers(NamedTuple):
    """Weights of the decoder, read once a call."""

    embedding: Tensor  # (V, D)
    input_scale: Tensor
    kernel: Tensor  # (D, 4D)
    recurrent: Tensor  # (D, 4D)
    bias: Tensor  # (4D,)
    query: Tensor  # (D, D)
    output: Tensor  # (D, D)
    ffn_scale: Tensor
    inner: Tensor  # (D, F)
    outer: Tensor  # (F, D)
    output_scale: Tensor
    gate: Tensor  # (D, 1)
    gate_bias: Tensor  # (1,)

    @classmethod
    def of(cls, model: Summarizer) -> Layers:
        """As tensors of the function that is being traced."""
        cell, attention, ffn = model.lstm.cell, model.cross_attention, model.decoder_ffn
        found = (
            model.embedding.embeddings,
            model.embedding_norm.scale,
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            attention.query_dense.kernel,
            attention.output_dense.kernel,
            model.decoder_ffn_norm.scale,
            ffn.inner.kernel,
            ffn.outer.kernel,
            model.decoder_norm.scale,
            model.copy_gate_dense.kernel,
            model.copy_gate_dense.bias,
        )
        return cls(*(tf.convert_to_tensor(variable) for variable in found))


class Reading(NamedTuple):
    """What N decoder states see, N = B x M."""

    hidden: Tensor  # (N, D), what the output layer is fed
    attention_weights: Tensor  # (B, M, S)
    copy_gate: Tensor  # (N, 1), the probability of COPYING


class Decoder:
    """Of B sources, each with any number of rows."""

    def __init__(self, model: Summarizer, source: Source) -> None:
        self._layers, self._source = Layers.of(model), source
        self._epsilon = model.decoder_norm.epsilon
        self._dim = model.config.hidden_dim
        # Scaling the keys once is scaling every query.
        self._key = source.key * self._dim**-0.5
        self._shut = tf.where(source.mask, 0.0, MASKED_SCORE)[:, None, :]
        self._kept = tf.cast(source.mask, tf.float32)[:, None, :]
        batch = tf.shape(source.ids)[0]
        self._by_source = tf.stack([batch, -1, self._dim])
        self.gates = tf.stack([batch, -1, 1])
        """The shape in which copy gates lie beside attention weights."""

    def advance(self, token_ids: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, ...]:
        """One step of the LSTM for int32 (N,) tokens: what `read` gets, and the new state."""
        layers = self._layers
        inputs = tf.gather(layers.embedding, token_ids)  # (N, D)
        gates = tf.matmul(self._norm(inputs, layers.input_scale), layers.kernel)
        gates = gates + tf.matmul(hidden, layers.recurrent) + layers.bias
        first, forget, new, out = tf.split(gates, 4, axis=1)
        cell = tf.sigmoid(forget) * cell + tf.sigmoid(first) * tf.tanh(new)
        hidden = tf.sigmoid(out) * tf.tanh(cell)
        return inputs + hidden, hidden, cell

    def read(self, hidden: Tensor) -> Reading:
        """Looks at the sources from N states (N, D), as many for each of them."""
        layers = self._layers
        query = tf.reshape(tf.matmul(hidden, layers.query), self._by_source)
        scores = tf.matmul(query, self._key, transpose_b=True) + self._shut
        attention_weights = tf.nn.softmax(scores) * self._kept
        attended = tf.reshape(tf.matmul(attention_weights, self._source.value), (-1, self._dim))
        hidden = hidden + tf.matmul(attended, layers.output)
        inner = tf.nn.relu(tf.matmul(self._norm(hidden, layers.ffn_scale), layers.inner))
        hidden = hidden + tf.matmul(tf.square(inner), layers.outer)
        hidden = self._norm(hidden, layers.output_scale)
        gate = tf.sigmoid(tf.matmul(hidden, layers.gate) + layers.gate_bias)
        return Reading(hidden, attention_weights, gate)

    def score(self, hidden: Tensor, summary_ids: Tensor) -> Score:
        """What `Inference.score` says of int32 (B, T), from states (B, T, D)."""
        shape = tf.shape(summary_ids)
        reading = self.read(tf.reshape(hidden, (-1, self._dim)))
        logits = tf.matmul(reading.hidden, self._layers.embedding, transpose_b=True)  # (B T, V)
        ids = tf.reshape(summary_ids, (-1,))
        lost = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=logits)
        gate = tf.reshape(reading.copy_gate, shape)
        matches = tf.equal(self._source.ids[:, None, :], summary_ids[:, :, None])  # (B, T, S)
        mass = tf.reduce_sum(tf.where(matches, reading.attention_weights, 0.0), axis=-1)
        copied = gate * mass
        generated = (1.0 - gate) * tf.exp(-tf.reshape(lost, shape))
        log_probs = tf.math.log(copied + generated + LOG_FLOOR)
        return blanked(
            Score(log_probs, reading.attention_weights, gate, copied, generated),
            tf.not_equal(summary_ids, PAD_ID),
        )

    def _norm(self, inputs: Tensor, scale: Tensor) -> Tensor:
        mean = tf.reduce_mean(tf.square(inputs), axis=-1, keepdims=True)
        return inputs * tf.math.rsqrt(mean + self._epsilon) * scale
