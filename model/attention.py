"""Scaled dot-product attention as a pure function, and the two layers that are made of it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any
"""A tensor of the running Keras backend; the backends share no type."""

MASKED_SCORE = -1e9
"""Finite in float32, in which scores are kept; in float16 it would be -inf and rows NaN."""

ROTARY_BASE = 10_000.0


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """softmax(QKᵀ/√d)V (Vaswani et al. 2017, section 3.2.1), the softmax in float32.

    Args:
        query: (..., T, d).
        key: (..., S, d).
        value: (..., S, e).
        mask: bool, broadcastable to (..., T, S), True where a query may look.

    Returns:
        The output (..., T, e) in the values' type and the weights (..., T, S) in float32. Rows of
        weights sum to 1; a row that may look nowhere is all zeros.
    """
    head_dim = ops.shape(query)[-1]
    query = query * ops.cast(1.0 / ops.sqrt(ops.cast(head_dim, "float32")), query.dtype)
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2))  # (..., T, S)
    attention_scores = ops.cast(scores, "float32")
    if mask is not None:
        attention_scores = ops.where(mask, attention_scores, MASKED_SCORE)
    attention_weights = ops.softmax(attention_scores, axis=-1)
    if mask is not None:
        attention_weights = ops.where(mask, attention_weights, 0.0)
    output = ops.matmul(ops.cast(attention_weights, value.dtype), value)
    return output, attention_weights


def causal_mask(length: Any) -> Tensor:
    """bool (T, T), True where the column is not after the row."""
    positions = ops.arange(length)
    return positions[None, :] <= positions[:, None]


def rotate(inputs: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021) of (..., S, d), in the halves layout."""
    length, head_dim = ops.shape(inputs)[-2], inputs.shape[-1]
    half = head_dim // 2
    exponents = ops.arange(half, dtype="float32") / half
    frequencies = ops.power(1.0 / ROTARY_BASE, exponents)
    angles = ops.cast(ops.arange(length), "float32")[:, None] * frequencies[None, :]  # (S, d/2)
    cos, sin = ops.cast(ops.cos(angles), inputs.dtype), ops.cast(ops.sin(angles), inputs.dtype)
    first, second = inputs[..., :half], inputs[..., half:]
    return ops.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


class SelfAttention(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Every position of a sequence looks at every kept position of the same sequence."""

    def __init__(
        self, hidden_dim: int, num_heads: int, *, use_positions: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if hidden_dim % num_heads:
            raise ValueError(f"hidden_dim {hidden_dim} is not a multiple of num_heads {num_heads}")
        self.num_heads, self.head_dim = num_heads, hidden_dim // num_heads
        self.use_positions = use_positions
        self.query_dense = _projection(hidden_dim, "query", self.dtype_policy)
        self.key_dense = _projection(hidden_dim, "key", self.dtype_policy)
        self.value_dense = _projection(hidden_dim, "value", self.dtype_policy)
        # Zero at first: a block begins as the identity and deep stacks train without a warm start.
        self.output_dense = _projection(hidden_dim, "output", self.dtype_policy, "zeros")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes Wq, Wk, Wv and Wo, each (D, D)."""
        for dense in (self.query_dense, self.key_dense, self.value_dense, self.output_dense):
            dense.build(input_shape)
        self.built = True

    def call(self, inputs: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attends.

        Args:
            inputs: (B, S, D).
            attention_mask: bool, broadcastable to (B, H, S, S).

        Returns:
            The output (B, S, D) and the weights (B, H, S, S).
        """
        query = self._heads(self.query_dense(inputs))
        key = self._heads(self.key_dense(inputs))
        value = self._heads(self.value_dense(inputs))
        if self.use_positions:
            query, key = rotate(query), rotate(key)
        output, attention_weights = attend(query, key, value, attention_mask)
        output = ops.swapaxes(output, 1, 2)  # (B, S, H, d)
        batch, length = ops.shape(inputs)[0], ops.shape(inputs)[1]
        output = ops.reshape(output, (batch, length, self.num_heads * self.head_dim))  # (B, S, D)
        return self.output_dense(output), attention_weights

    def _heads(self, projected: Tensor) -> Tensor:
        batch, length = ops.shape(projected)[0], ops.shape(projected)[1]
        split = ops.reshape(projected, (batch, length, self.num_heads, self.head_dim))
        return ops.swapaxes(split, 1, 2)  # (B, H, S, d)


class CrossAttention(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """The decoder looks at the encoder's output: one head, whose weights are the copy map."""

    def __init__(self, hidden_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.query_dense = _projection(hidden_dim, "query", self.dtype_policy)
        self.key_dense = _projection(hidden_dim, "key", self.dtype_policy)
        self.value_dense = _projection(hidden_dim, "value", self.dtype_policy)
        self.output_dense = _projection(hidden_dim, "output", self.dtype_policy)

    def build(self, query_shape: tuple[int | None, ...]) -> None:
        """Makes Wq, Wk, Wv and Wo, each (D, D)."""
        for dense in (self.query_dense, self.key_dense, self.value_dense, self.output_dense):
            dense.build(query_shape)
        self.built = True

    def project(self, encoder_output: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, S, D) of a source, made once for all steps and hypotheses."""
        return self.key_dense(encoder_output), self.value_dense(encoder_output)

    def call(
        self, query: Tensor, key: Tensor, value: Tensor, padding_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attends from decoder states (B, T, D) to the projected source (B, S, D).

        Returns:
            The output (B, T, D) and the weights (B, T, S).
        """
        mask = padding_mask[:, None, :]  # (B, 1, S)
        output, attention_weights = attend(self.query_dense(query), key, value, mask)
        return self.output_dense(output), attention_weights


def _projection(
    units: int, name: str, dtype: Any, initializer: str = "glorot_uniform"
) -> keras.layers.Dense:
    return keras.layers.Dense(
        units, use_bias=False, kernel_initializer=initializer, dtype=dtype, name=name
    )
