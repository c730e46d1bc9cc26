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

FULL_WINDOWS = 3
"""Up to this many windows one masked matrix costs no more than blocks, of which each sees three."""


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


def attend_in_window(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    padding_mask: Tensor,
    *,
    window: int,
    num_global: int,
) -> Tensor:
    """Attention whose cost grows with S and not with S x S (Beltagy et al. 2020, "Longformer").

    A position looks at the positions up to `window` away and at the first `num_global` of the
    sequence, which look everywhere. Up to `FULL_WINDOWS` windows a masked matrix is cheaper; longer
    sequences are cut into blocks of `window`, each of which meets itself and its two neighbours.

    Args:
        query: (B, H, S, d).
        key: (B, H, S, d).
        value: (B, H, S, d).
        padding_mask: bool (B, S), True where a key may be looked at.
        window: Positions on either side, at least 1.
        num_global: Positions at the start that all see and that see all.

    Returns:
        The output (B, H, S, d). The weights are not returned: they are never one matrix.
    """

    def whole() -> Tensor:
        seen = window_mask(ops.shape(query)[2], window, num_global)[None, None]
        mask = ops.logical_and(seen, padding_mask[:, None, None, :])
        return attend(query, key, value, mask)[0]

    def blocks() -> Tensor:
        return _attend_in_blocks(query, key, value, padding_mask, window, num_global)

    length = ops.shape(query)[2]
    if isinstance(length, int):
        return whole() if length <= FULL_WINDOWS * window else blocks()
    return ops.cond(length <= FULL_WINDOWS * window, whole, blocks)


def window_mask(length: Any, window: int, num_global: int) -> Tensor:
    """bool (S, S), True where row i may look at column j: near it, or either of them global."""
    positions = ops.arange(length)
    row, column = positions[:, None], positions[None, :]
    near = ops.abs(row - column) <= window
    return ops.logical_or(near, ops.logical_or(row < num_global, column < num_global))


def _attend_in_blocks(
    query: Tensor, key: Tensor, value: Tensor, padding_mask: Tensor, window: int, num_global: int
) -> Tensor:
    shape = ops.shape(query)
    length = shape[2]
    count = (length + window - 1) // window  # N blocks
    missing = count * window - length

    def cut(part: Tensor) -> Tensor:
        padded = ops.pad(part, [[0, 0], [0, 0], [0, missing], [0, 0]])
        return ops.reshape(padded, (shape[0], -1, count, window, padded.shape[-1]))

    def with_neighbours(part: Tensor) -> Tensor:
        """(B, H, N, w, d) to (B, H, N, 3w, d)."""
        edged = ops.pad(part, [[0, 0], [0, 0], [1, 1], [0, 0], [0, 0]])
        return ops.concatenate([edged[:, :, :-2], part, edged[:, :, 2:]], axis=3)

    def with_globals(part: Tensor) -> Tensor:
        """(B, H, S, d) to (B, H, N, g + 3w, d)."""
        near = with_neighbours(cut(part))
        first = ops.repeat(part[:, :, None, :num_global], count, axis=2)
        return ops.concatenate([first, near], axis=3)

    kept = ops.cast(padding_mask, "int32")[:, None, :, None]  # (B, 1, S, 1)
    kept = ops.swapaxes(with_globals(kept), 3, 4) > 0  # (B, 1, N, 1, g + 3w)
    offset = ops.arange(3 * window)[None, :] - window  # of a key from its block's first position
    near = ops.abs(offset - ops.arange(window)[:, None]) <= window  # (w, 3w)
    # Global keys come first; they are not counted again where they are near.
    again = ops.arange(count)[:, None, None] * window + offset[None] < num_global  # (N, 1, 3w)
    near = ops.logical_and(near[None], ops.logical_not(again))  # (N, w, 3w)
    near = ops.pad(near, [[0, 0], [0, 0], [num_global, 0]], constant_values=True)
    mask = ops.logical_and(kept, near[None, None])
    output, _ = attend(cut(query), with_globals(key), with_globals(value), mask)
    output = ops.reshape(output, (shape[0], shape[1], count * window, shape[3]))
    everywhere = padding_mask[:, None, None, :]
    first, _ = attend(query[:, :, :num_global], key, value, everywhere)
    return ops.concatenate([first, output[:, :, num_global:length]], axis=2)


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
    first, second = ops.split(inputs, 2, axis=-1)
    return ops.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


class SelfAttention(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Every position looks at the kept positions of the same sequence: all, or those near it."""

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        *,
        use_positions: bool = True,
        window: int | None = None,
        num_global: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if hidden_dim % num_heads:
            raise ValueError(f"hidden_dim {hidden_dim} is not a multiple of num_heads {num_heads}")
        if window is not None and not 0 <= num_global <= window > 0:
            raise ValueError(
                "a window must be positive and no smaller than the number of global positions, "
                f"got {window} and {num_global}"
            )
        self.num_heads, self.head_dim = num_heads, hidden_dim // num_heads
        self.use_positions = use_positions
        self.window, self.num_global = window, num_global
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

    def call(self, inputs: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Attends.

        Args:
            inputs: (B, S, D).
            attention_mask: bool, broadcastable to (B, H, S, S); with a window (B, 1, 1, S).

        Returns:
            The output (B, S, D) and the weights (B, H, S, S), which are None with a window.
        """
        query = self._heads(self.query_dense(inputs))
        key = self._heads(self.key_dense(inputs))
        value = self._heads(self.value_dense(inputs))
        if self.use_positions:
            query, key = rotate(query), rotate(key)
        output, attention_weights = self._attend(query, key, value, attention_mask)
        output = ops.swapaxes(output, 1, 2)  # (B, S, H, d)
        batch, length = ops.shape(inputs)[0], ops.shape(inputs)[1]
        output = ops.reshape(output, (batch, length, self.num_heads * self.head_dim))  # (B, S, D)
        return self.output_dense(output), attention_weights

    def head_weights(self, inputs: Tensor, padding_mask: Tensor, head: Tensor) -> Tensor:
        """The weights (B, S, S) of one head, to be shown: with a window too they are one matrix.

        Args:
            inputs: (B, S, D), as `call` gets them.
            padding_mask: bool (B, S).
            head: int32 scalar, from 0.
        """
        query = self._heads(self.query_dense(inputs))
        key = self._heads(self.key_dense(inputs))
        if self.use_positions:
            query, key = rotate(query), rotate(key)
        query, key = ops.take(query, head, axis=1), ops.take(key, head, axis=1)  # (B, S, d)
        mask = padding_mask[:, None, :]
        if self.window is not None:
            seen = window_mask(ops.shape(inputs)[1], self.window, self.num_global)
            mask = ops.logical_and(mask, seen[None])
        return attend(query, key, key, mask)[1]

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        if self.window is None:
            return attend(query, key, value, attention_mask)
        output = attend_in_window(
            query,
            key,
            value,
            attention_mask[:, 0, 0],
            window=self.window,
            num_global=self.num_global,
        )
        return output, None

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
        shape = ops.shape(query)
        flat = ops.reshape(query, (shape[0] * shape[1], query.shape[-1]))  # (B T, D)
        query = ops.reshape(self.query_dense(flat), shape)
        attended, attention_weights = attend(query, key, value, mask)
        output = self.output_dense(ops.reshape(attended, ops.shape(flat)))
        return ops.reshape(output, shape), attention_weights


def _projection(
    units: int, name: str, dtype: Any, initializer: str = "glorot_uniform"
) -> keras.layers.Dense:
    return keras.layers.Dense(
        units, use_bias=False, kernel_initializer=initializer, dtype=dtype, name=name
    )
