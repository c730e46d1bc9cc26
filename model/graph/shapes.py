"""Sizes rounded up, so that products of matrices come in few shapes.

oneDNN makes a kernel for each shape of a product that it has not met, and TensorFlow keeps up to a
thousand of each kind: 0.2 to 0.4 MB apiece. Sizes that may be any number would fill that.
"""

from __future__ import annotations

import tensorflow as tf

from model.attention import Tensor

STEPS = 16
"""Numbers of the steps whose tokens are scored together are multiples of this."""

SENTENCES = 8
"""Numbers of sentences that are compared are multiples of this."""


def rounded_up(size: Tensor, unit: int) -> Tensor:
    """The next multiple of `unit`, int32."""
    return -(-size // unit) * unit


def with_steps(part: Tensor, more: Tensor, axis: int) -> Tensor:
    """A tensor with zeros for `more` steps along an axis, which are padding."""
    return tf.pad(part, [[0, more if i == axis else 0] for i in range(len(part.shape))])
