"""The encoder in bfloat16, for processors that have instructions for it, beside the exact one.

Both are in the same graph, over weights that are stored once: those in bfloat16 are made from the
others, by whoever has loaded the graph and wants them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from model.attention import Tensor, attend, attend_in_window, rotate
from model.encoder import EncoderBlock
from model.summarizer import Source, Summarizer

TYPE = tf.bfloat16


class BlockWeights(NamedTuple):
    """Of one block. What is multiplied in the same place lies together, scales included."""

    projections: Any  # (D, 3D): of queries, keys and values, after the norm's scale
    output: Any  # (D, D)
    inner: Any  # (D, F), after the norm's scale
    outer: Any  # (F, D)

    @classmethod
    def of(cls, block: EncoderBlock) -> BlockWeights:
        """As float32 tensors of the function that is being traced."""
        attention, ffn = block.attention, block.ffn
        denses = attention.query_dense, attention.key_dense, attention.value_dense
        projections = tf.concat([tf.convert_to_tensor(dense.kernel) for dense in denses], axis=1)
        return cls(
            tf.convert_to_tensor(block.attention_norm.scale)[:, None] * projections,
            tf.convert_to_tensor(attention.output_dense.kernel),
            tf.convert_to_tensor(block.ffn_norm.scale)[:, None] * ffn.inner.kernel,
            tf.convert_to_tensor(ffn.outer.kernel),
        )


class ChosenEncoder:
    """`Summarizer.encode`, its blocks in bfloat16 from `fill` on until `leave`, else in float32.

    Between blocks the sums stay float32, and so do norms, softmax and all that comes after.
    """

    def __init__(self, model: Summarizer) -> None:
        self._model = model
        self.bfloat16 = [
            [_empty_matrix() for _ in BlockWeights._fields] for _ in range(model.config.num_layers)
        ]
        """Of each block; empty, so that a SavedModel stores each weight once."""
        # Not the size of those: a TensorFlow that knows the sources' lengths folds it wrongly.
        self.is_chosen = tf.Variable(initial_value=False, trainable=False)
        self.fill = tf.function(self._fill, input_signature=[], autograph=False)
        self.leave = tf.function(self._leave, input_signature=[], autograph=False)

    def __call__(
        self, source_ids: Tensor, source_keep_mask: Tensor, embedded: Tensor | None = None
    ) -> Source:
        """As `Summarizer.encode`; always float32 where `embedded` is given, for gradients."""
        model = self._model
        if embedded is not None:
            return model.encode(source_ids, source_keep_mask, embedded=embedded)
        mask = model.mask_of(source_ids, source_keep_mask)
        hidden = model.embed(source_ids)  # (B, S, D)
        hidden = tf.cond(
            self.is_chosen,
            lambda: self._read(hidden, mask),
            lambda: model.read(hidden, mask),
        )
        return model.project(source_ids, mask, tf.ensure_shape(hidden, (None, None, self._dim)))

    @property
    def _dim(self) -> int:
        dim: int = self._model.config.hidden_dim
        return dim

    def _fill(self) -> None:
        for stored, block in zip(self.bfloat16, self._model.blocks, strict=True):
            for variable, weights in zip(stored, BlockWeights.of(block), strict=True):
                variable.assign(tf.cast(weights, TYPE))
        self.is_chosen.assign(value=True)

    def _leave(self) -> None:
        self.is_chosen.assign(value=False)

    def _read(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(B, S, D) through all blocks, in float32 again."""
        shape = tf.shape(hidden)
        epsilon = self._model.encoder_norm.epsilon
        hidden = tf.reshape(hidden, (-1, self._dim))  # (B S, D): one large product each
        for stored, block in zip(self.bfloat16, self._model.blocks, strict=True):
            weights, rotates = BlockWeights(*stored), block.attention.use_positions
            projected = _normed(hidden, epsilon) @ weights.projections
            attended = self._attend(projected, mask, shape, rotates=rotates)
            hidden = hidden + tf.cast(attended @ weights.output, tf.float32)
            inner = tf.square(tf.nn.relu(_normed(hidden, epsilon) @ weights.inner))
            hidden = hidden + tf.cast(inner @ weights.outer, tf.float32)
        return tf.reshape(hidden, shape)

    def _attend(self, projected: Tensor, mask: Tensor, shape: Tensor, *, rotates: bool) -> Tensor:
        """From (B S, 3D) to (B S, D)."""
        config = self._model.config
        head_dim = config.hidden_dim // config.num_heads
        split = tf.stack([shape[0], shape[1], 3, config.num_heads, head_dim])
        # Each is (B, H, S, d).
        query, key, value = tf.unstack(tf.transpose(tf.reshape(projected, split), (2, 0, 3, 1, 4)))
        if rotates:
            query, key = rotate(query), rotate(key)
        if config.attention_window is None:
            output, _ = attend(query, key, value, mask[:, None, None, :])
        else:
            output = attend_in_window(
                query,
                key,
                value,
                mask,
                window=config.attention_window,
                num_global=config.num_global_tokens,
            )
        return tf.reshape(tf.transpose(output, (0, 2, 1, 3)), (-1, self._dim))


def _normed(hidden: Tensor, epsilon: float) -> Tensor:
    """A root mean square norm without its scale, which is in the weights, as bfloat16."""
    mean = tf.reduce_mean(tf.square(hidden), axis=-1, keepdims=True)
    return tf.cast(hidden * tf.math.rsqrt(mean + epsilon), TYPE)


def _empty_matrix() -> Any:
    return tf.Variable(
        np.zeros((0, 0), TYPE.as_numpy_dtype), shape=(None, None), dtype=TYPE, trainable=False
    )
